/* provider/agent/inspect.h - may this change be made, or would it overwrite what the sandbox did itself?
 */
#pragma once

#include "provider/agent/apply.h"
#include "provider/agent/beneath.h"
#include "provider/agent/manifest.h"

struct inspection {
	struct beneath *live;
	const struct manifest *current; /* what was applied */
	const struct manifest *next;    /* what will be */
	struct apply *apply;            /* its changes, sorted by path */
	bool resume; /* what cannot be done is left alone instead of refused */
};

/* Looks at every path: sets `phase`, `settled`, `stands` and `seen` of each change. 0, WIRE_E_DRIFT naming the
 * path, WIRE_E_PATH or WIRE_E_IO. */
int inspect_all(struct inspection *in, struct refusal *why);

/* Does the directory `name` in `dirfd`, which is the project's `path`, hold nothing but files that
 * this apply removes? */
bool inspect_only_removals(const struct inspection *in, int dirfd, const char *name,
			   const char *path);
