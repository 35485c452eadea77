/* store/work_session.h - work trees beside `live`, each on a branch of its own.
 */
#pragma once

#include "store/worktree.h"

struct work_session_spec {
	const char *name;   /* the work tree's; its branch is refs/heads/<name> unless `branch` says another */
	const char *branch; /* full name, or NULL. One that exists is stood on; one that does not is made */
	const struct oid *commit; /* where a new branch starts; NULL: where `live` stands */
	const struct oid *tree;	  /* what it shows; NULL: the commit's. Else the rest is uncommitted there */
	uid_t uid;
	gid_t gid;
};

/* Makes a work tree and its branch, durably. 0, WORK_EXISTS, WORK_BAD_NAME, WORKTREE_GONE, WORKTREE_MOVED (the branch was made by somebody
 * else meanwhile), or a fault. */
int work_session_create(struct project *p, const struct work_session_spec *spec, struct work_info *ret);

/* Removes one that is closed: its admin directory and its bytes. Its branch and its operations stay: what was uncommitted is
 * in the log when `w` is given, which is then the open tree; it is closed here. `live` is refused with WORK_BAD_NAME. 0, WORK_MISSING, or a fault. */
int work_session_remove(struct project *p, const char *name, struct work *w);
