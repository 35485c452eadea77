/* tools/diffstat.h - a patch counted: which files, how many lines. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct diffstat_file {
	const char *path; /* as the patch writes it, quoted if it is; borrowed from the patch */
	size_t path_len;
	uint64_t added, deleted;
	bool binary;
};

/* Calls `fn` for each file of a patch in git's format, in its order, until it returns non-zero, which is returned. Lines of
 * a hunk are counted by the hunk's own numbers, so content that looks like a header is content. */
typedef int (*diffstat_fn)(const struct diffstat_file *f, void *arg);
int diffstat_each(const char *patch, size_t len, diffstat_fn fn, void *arg);
