/* store/commit_work.h - what a work tree holds, made a commit.
 */
#pragma once

#include "store/commit.h"
#include "store/worktree.h"

struct commit_work_spec {
	const char *message;
	struct commit_who author, committer;
	bool allow_empty;
	const struct oid *restore; /* not NULL: the commit has this tree, and the work tree becomes it */
	const char *what;	   /* for the operation log; NULL: the message */
	work_left_out_fn left_out; /* told what git cannot store, which stays in the work tree; may be NULL */
	void *left_out_arg;
	work_moved_fn moved; /* with `restore`: as of work_switch() */
	void *moved_arg;
};

struct commit_work_result {
	uint64_t op;
	struct oid commit, tree;
	uint32_t seq; /* its number; 0 when it could not be numbered now */
	bool was_dirty;
};

/* Durable when it returns 0: objects, ref, HEAD. A merge that is under way gets its second parent. WORKTREE_NOTHING: nothing differs from HEAD;
 * WORKTREE_MOVED: the branch is no longer where this work tree stood; WORKTREE_UNMERGED; WORKTREE_UNFINISHED; WORKTREE_GONE; a fault. */
int commit_work(struct work *w, const struct commit_work_spec *spec, struct commit_work_result *ret);
