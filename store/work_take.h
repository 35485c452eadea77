/* store/work_take.h - files that came from elsewhere, laid into a work tree somebody works in.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"
#include "store/work.h"

struct work_take {
	const char *path;
	uint32_t mode; /* MODE_FILE, MODE_EXEC or MODE_LINK; 0: it is removed */
	struct oid oid;
	const void *data; /* NULL: the project has the blob */
	size_t len;
};

/* Each file is put in place whole, by a rename, or not at all; missing directories are made and empty ones removed as git does
 * it. A path that is no longer what it is in the tree `base` (zero: an empty one) is somebody's work and stays as it is, as does
 * one that would stand where a directory is, or below a file. `moved` is told of every name that changed. Durable.
 * `*n_taken` is how many were. 0 or a fault. */
int work_take(struct work *w, const struct oid *base, const struct work_take *files, size_t n,
	      work_moved_fn moved, void *arg, size_t *n_taken);
