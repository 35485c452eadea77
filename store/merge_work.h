/* store/merge_work.h - another branch merged into a work tree.
 */
#pragma once

#include "store/commit.h"
#include "store/worktree.h"

struct merge_work_spec {
	struct oid theirs; /* a commit */
	const char *name;  /* what it is called, in the message and at conflicts */
	struct commit_who author;
	work_moved_fn moved;
	void *moved_arg;
};

struct merge_work_result {
	uint64_t op;
	struct oid commit; /* where HEAD stands now */
	unsigned n_conflicts;
	bool fast_forward, was_dirty;
	bool set_aside; /* what was uncommitted did not fit and is in the operation log only */
};

/* Three-way, in memory. What is uncommitted is carried over where it fits. Without conflicts the merge is committed; with some, the work tree
 * has them as git shows them, with MERGE_HEAD and unmerged paths in the index, so that git or commit_work() finishes it and
 * checkout_undo() takes it back. 0 (look at n_conflicts), WORKTREE_NOTHING (it is contained already), WORKTREE_MOVED,
 * WORKTREE_UNFINISHED, WORKTREE_GONE (nothing in common, or missing), or a fault. */
int merge_work(struct work *w, const struct merge_work_spec *spec, struct merge_work_result *ret);
