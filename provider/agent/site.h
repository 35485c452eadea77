/* provider/agent/site.h - the directories of a sandbox and what is known about them.
 *
 *	<home>/app            the project; what runs here is everybody's
 *	<home>/.frag/         the agent's own, on the same file system:
 *	    lock              held while an agent runs
 *	    epoch             16 bytes, planted once
 *	    manifest, journal see ledger_format.h
 *	    stage/<n>/        contents on their way in, and what they replaced
 *	    objects/<oid>     see objcache.h
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "provider/agent/ledger.h"
#include "provider/agent/manifest.h"
#include "provider/agent/objcache.h"
#include "provider/agent/refusal.h"

struct site {
	int home, root, frag, stage, lock;
	char root_path[4096];
	const char *root_name;   /* of the project in `home`; points into root_path */
	struct manifest current; /* what was applied or adopted last */
	struct oid tree;         /* its id */
	struct ledger ledger;
	struct objcache cache;
	unsigned char epoch[16];
	bool has_epoch;
	uint32_t next_stage;
};

/* Opens `home`, makes what is missing, and finishes or undoes what an agent before left half done.
 * 0 or an enum wire_error. */
int site_open(struct site *p, const char *home, const char *root, struct refusal *why);
void site_close(struct site *p);

/* Opens the project's directory anew when another one took its name; makes it when it is gone.
 * 0 or an enum wire_error. */
int site_refresh(struct site *p, struct refusal *why);

/* Plants the nonce. 0, WIRE_E_MOVED when another stands there, WIRE_E_IO. */
int site_plant(struct site *p, const unsigned char epoch[16], struct refusal *why);

/* Makes `m` the current manifest (takes it over) and writes it down. 0 or WIRE_E_IO. */
int site_adopt(struct site *p, struct manifest *m, struct refusal *why);
