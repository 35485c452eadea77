/* tools/drive.h - bringing a project's sandbox to what HEAD wants, by whoever is best placed.
 */
#pragma once

#include "sync/mirror.h"

struct cli;
struct project;
struct provider;
struct store;

/* As mirror_run(). Where a daemon drives the sandbox it is asked to: it knows the edits of an open work tree, which are part of
 * what the sandbox is to hold, and has a conversation open. Else it is done here, with `provider`. */
int drive(struct cli *cli, struct store *st, struct provider *provider, struct project *p,
	  const struct mirror_options *o, struct mirror_status *ret);
