/* store/checkout.h - a work tree brought to another version, or back to where it was.
 *
 * All are transactions of store/worktree.h: old or new after a kill, never refused for uncommitted work, which is in the
 * operation log when they return. Their cost is what changes.
 */
#pragma once

#include "store/worktree.h"

/* Asked before anything moves, with what is about to be: non-zero calls it off and is returned. */
typedef int (*checkout_prepare_fn)(const struct oplog_op *op, void *arg);

struct checkout_spec {
	const char *branch; /* full name, which leads to `commit`; NULL: HEAD is detached */
	struct oid commit;
	checkout_prepare_fn prepare; /* may be NULL */
	void *prepare_arg;
	work_moved_fn moved; /* as of work_switch(); may be NULL */
	void *moved_arg;
};

struct checkout_result {
	uint64_t op;	/* its number in the operation log */
	bool was_dirty; /* uncommitted work was there, and is in the log */
	struct oid before, after; /* trees of the content */
};

/* 0, WORKTREE_UNFINISHED, WORKTREE_GONE, or a fault. */
int checkout_run(struct work *w, const struct checkout_spec *spec, struct checkout_result *ret);

/* Brings back how it was before the operation `id`, or the last one that was done when `id` is 0; with `after` how it was when it
 * was done. Undoing an undo does it again. A branch is moved back only where that operation moved it and nobody
 * has since. `undone` may be NULL. 0, WORKTREE_NOTHING (there is no such operation), WORKTREE_MOVED, WORKTREE_GONE, or a fault. */
struct checkout_undo {
	uint64_t id;
	bool after;
	work_moved_fn moved;
	void *moved_arg;
};
int checkout_undo(struct work *w, const struct checkout_undo *spec, struct oplog_op *undone,
		  struct checkout_result *ret);

/* Somebody moved the branch it stands on (a push, an import). When nothing uncommitted is there the content follows; otherwise it
 * stays, and status says so. Does nothing while git is at it. 0, WORKTREE_NOTHING, WORKTREE_MOVED (it stays behind),
 * or a fault. */
int checkout_follow(struct work *w, work_moved_fn moved, void *arg);
