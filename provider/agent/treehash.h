/* provider/agent/treehash.h - the id of the git tree that a flat listing makes.
 *
 * Files are fed in ascending byte order of their paths (which is git's own order, for directories sort as if a
 * slash followed); subtrees are hashed as they end, so that memory is one directory's
 * entries per level. No files make the tree of no entries.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct treehash;

struct treehash *treehash_new(void);
void treehash_free(struct treehash *t);

/* Adds a file, link or submodule. 0; -EINVAL (silent) when the path is not above the one before, is too deep or has
 * an empty component; or buf's faults. A name that is given as file and as directory is not noticed: the
 * result is then the id of no valid tree. */
int treehash_add(struct treehash *t, const char *path, uint32_t mode, const struct oid *oid);

/* Ends the listing; `t` can then be used for another. 0 or the first fault of the listing. */
int treehash_end(struct treehash *t, struct oid *ret);
