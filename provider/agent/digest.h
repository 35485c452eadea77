/* provider/agent/digest.h - what stands under a name right now, as git would record it.
 */
#pragma once

#include <sys/stat.h>

#include "provider/agent/manifest.h"

enum digest_outcome {
	DIGEST_NOT = 1, /* a directory, device, socket or pipe */
	DIGEST_SHUT,    /* its permissions keep even its owner out */
};

/* Reads and hashes `name` in `dirfd`: mode, oid and stamp of `e` are set, its path is not. A file
 * that changes meanwhile gets a racy stamp. 0, an outcome, or a negative errno. */
int digest_at(int dirfd, const char *name, struct manifest_entry *e);
