/* store/worktree.h - one change of a work tree, its HEAD, its branch and its index, as a transaction.
 *
 *	CLEANUP(worktree_end) struct worktree t = {0};
 *	r = worktree_begin(w, &t);              lock; what a kill interrupted is finished or forgotten; look
 *	…fill t.op: what comes after…
 *	r = worktree_run(&t, moved, arg);       intent ─► ref ─► content ─► HEAD ─► index ─► outcome
 *
 * The intent is durable before anything moves, and what decides is a single durable step: the ref's, when one moves, or
 * else the content's. A kill before it leaves everything old, one after it is carried forward by the next
 * worktree_begin(). Uncommitted work is kept in the operation log before it is replaced; nothing is refused for being dirty.
 */
#pragma once

#include <stdbool.h>

#include "store/oplog.h"
#include "store/project.h"
#include "store/work.h"

struct gitignore;

enum worktree_result {
	WORKTREE_MOVED = 10, /* somebody else moved the branch */
	WORKTREE_NOTHING,    /* there is nothing to do */
	WORKTREE_UNFINISHED, /* a rebase or the like of git's is under way; `busy` says which */
	WORKTREE_UNMERGED,   /* paths are still in conflict */
	WORKTREE_GONE,       /* a commit or tree that is needed is missing, or the project is */
};

struct worktree {
	struct work *work;
	struct project *project;
	const char *name;
	int admin_fd, lock_fd;
	struct gitignore *ignore;
	struct project_head head;
	struct oid head_tree; /* of head.commit; zero when unborn */
	struct oid stood;     /* the commit it was last brought to; zero: unknown */
	const char *busy;     /* what of git's is unfinished, or NULL */
	struct oplog_op op;
	bool has_snapshot; /* op.before.tree is what it holds now */
	work_left_out_fn left_out;
	void *left_out_arg;
};

/* Waits for other changes of this project's work trees. Makes the admin directory when there is none: of `live` at the project's HEAD,
 * of others detached at it. 0, WORKTREE_GONE, or a fault. End with worktree_end() in any case; `ret` starts as zeros. */
int worktree_begin(struct work *w, struct worktree *ret);
void worktree_end(struct worktree *t);

/* Fills op.before with how it stands, uncommitted work included. O(modified). 0 or a fault. */
int worktree_snapshot(struct worktree *t);

/* Whether what it holds is not what its HEAD says; after worktree_snapshot(). */
bool worktree_is_dirty(const struct worktree *t);

/* Does what op says: op.kind, after, ref, ref_from, ref_to, switches, what. Takes the snapshot when that was not done. `moved` may be NULL.
 * 0, WORKTREE_MOVED (nothing was changed), WORKTREE_GONE, or a fault. */
int worktree_run(struct worktree *t, work_moved_fn moved, void *arg);

/* Writes git's index for HEAD; a lock that git holds leaves it to git. */
int worktree_write_index(struct worktree *t);

/* The tree of a commit; zero of the zero id. 0, WORKTREE_GONE, or a fault. */
int worktree_tree_of(struct project *p, const struct oid *commit, struct oid *ret);

/* An empty tree is one that was never written (zero), too. */
bool worktree_is_same_tree(const struct oid *a, const struct oid *b);

/* Removes what git keeps about a merge that is over. */
void worktree_forget_merge(struct worktree *t);

/* Takes over what a kill left, and nothing else: for whoever opens a work tree. 0 or a fault. */
int worktree_recover(struct work *w, work_moved_fn moved, void *arg);
