/* tools/vendors.h - which providers there are, and what they have to know.
 *
 * A setting comes from the environment, else from `$FRAG_HOME/config` in git's syntax:
 *
 *	[provider "e2b"]
 *		apiKey = ...
 *
 * A file that holds a secret has to be its owner's alone (0600), or nothing of it is read.
 */
#pragma once

#include "provider/provider.h"
#include "tools/cli.h"

enum vendor_outcome {
	VENDOR_UNKNOWN = 1, /* no provider is called that */
	VENDOR_UNSET,       /* it needs a setting that is missing: vendor_hint() says which */
	VENDOR_EXPOSED,     /* the configuration can be read by others */
};

/* The name of the i-th; NULL behind the last. "local" is the first. */
const char *vendor_name(size_t i);

/* What to do so that it can be used. */
const char *vendor_hint(const char *name);

/* Opens it: hosted ones behind retries. 0, an outcome, or a fault. */
int vendor_open(const struct cli *cli, const char *name, struct provider **ret);

/* The same with a message. 0 or an exit status. */
int vendor_open_or_refuse(const struct cli *cli, const char *name, struct provider **ret);
