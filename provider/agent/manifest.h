/* provider/agent/manifest.h - what was applied, in memory: path, mode, id and stat data.
 *
 * Entries are sorted by the bytes of their paths, which is the order git's trees want at every level, so that
 * the tree's id is one walk over the array. A manifest owns its paths.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/oid.h"

enum { MANIFEST_MAX = 1000000 }; /* entries; a project beyond that is not one to mirror */

/* What stat says about a file: unchanged stamp, unchanged content. `racy` marks one taken within the
 * clock's granule after the file changed: equal says nothing then. */
struct stamp {
	uint64_t size, ino;
	int64_t mtime_ns, ctime_ns;
	bool racy;
};

struct manifest_entry {
	char *path;
	uint32_t mode; /* of git */
	struct oid oid;
	struct stamp stamp;
};

struct manifest {
	struct manifest_entry *entries;
	size_t n, cap;
};

void manifest_deinit(struct manifest *m);

/* The first entry whose path is not below `path` in byte order; `m->n` when there is none. */
size_t manifest_at(const struct manifest *m, const char *path, size_t len);
struct manifest_entry *manifest_find(const struct manifest *m, const char *path);

/* Is there an entry below the directory `path`? */
bool manifest_below(const struct manifest *m, const char *path, size_t len);

/* Appends out of order (takes `path` over); call manifest_sort() after. */
void manifest_add(struct manifest *m, const struct manifest_entry *e);
void manifest_sort(struct manifest *m);

/* Replaces `m` by a merge with `changes`: same path replaces, mode 0 removes. Both are sorted; the paths
 * of `changes` are copied. */
void manifest_merge(struct manifest *m, const struct manifest *changes);

/* A copy that owns its paths. */
void manifest_copy(const struct manifest *m, struct manifest *ret);

/* The id of the tree that holds exactly these entries. False when a path is both a file and a
 * directory, or memory ran out. */
bool manifest_tree(const struct manifest *m, struct oid *ret);

void stamp_of(const struct stat *st, struct stamp *ret);
/* Has nothing happened since `a` was taken? */
bool stamp_same(const struct stamp *a, const struct stamp *now);
/* git's mode of what stat found, 0 for what git has no place for. */
uint32_t stamp_mode(const struct stat *st);
