/* store/worktree_index.h - the index file that git finds in a work tree after a switch or commit of ours.
 *
 * Version 2, with the cache-tree: every entry of a tree, and of each file that the work tree still has as the tree has
 * it, the times, number and size that the mount serves. So the first `git status` compares numbers and opens
 * nothing. A file that may differ gets times that fit nothing: git then reads that one.
 *
 * Like git's own, the file is not synced: a lost index is made anew.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct work;

enum worktree_index_outcome {
	WORKTREE_INDEX_BUSY = 1, /* git holds the index's lock; nothing was written */
};

/* A path of which a merge left up to three versions: ancestor, ours, theirs. Mode 0: there is none. */
struct worktree_index_conflict {
	const char *path;
	uint32_t mode[3];
	struct oid oid[3];
};

struct worktree_index_spec {
	const struct oid *tree;
	const struct worktree_index_conflict *conflicts; /* by path, ascending; they stand instead of what the tree has there */
	size_t n_conflicts;
};

/* Replaces `index` in the directory `admin_fd`, under git's own lock. 0, WORKTREE_INDEX_BUSY, or a fault. */
int worktree_index_write(struct work *w, int admin_fd, const struct worktree_index_spec *spec);

/* Removes a lock that a killed worktree_index_write() left; git's own it knows and leaves. */
void worktree_index_unlock(int admin_fd);

/* How many entries of the index in `admin_fd` are unmerged; negative: a fault, said. Foreign bytes are distrusted. */
int worktree_index_unmerged(int admin_fd);
/* The same of bytes in memory: -EINVAL (silent) when they are no index. */
int worktree_index_count_unmerged(const void *data, size_t len);
