/* store/worktree_git.h - what makes a work tree a linked worktree for git itself.
 *
 * projects/<p>.git/worktrees/<name>/ is git's own layout, made by us durably:
 *
 *	HEAD        where the work tree stands: of `live` it is where the project stands
 *	commondir   "../.."
 *	gitdir      the path of the work tree's `.git` in the mount; told anew by each mount
 *	locked      so that `git worktree prune` never takes one that is not mounted
 *	index       store/worktree_index.h
 *	logs/HEAD   git's reflog; its last line is the commit that this work tree was last brought to, even when its
 *	            branch was moved by somebody else since
 *
 * In the work tree stands a file `.git` with the text of worktree_git_text(). git then works there unmodified.
 */
#pragma once

#include <stdbool.h>

#include "base/oid.h"

struct project;
struct project_head;

#define WORKTREE_LIVE "live"

enum worktree_outcome {
	WORKTREE_MISSING = 1, /* no such admin directory */
	WORKTREE_EXISTS,
};

/* Makes it, durably, with HEAD at the branch (full name) or, with `branch` NULL, detached at `commit`, which may be zero only for an
 * unborn branch. 0, WORKTREE_EXISTS, or a fault. */
int worktree_git_make(struct project *p, const char *name, const char *branch,
		      const struct oid *commit);
/* Durable; a missing one is fine. What stood in its HEAD stays a fragment. */
int worktree_git_remove(struct project *p, const char *name);

/* The admin directory, a descriptor of the caller's own. 0, WORKTREE_MISSING, or a fault. */
int worktree_git_open(struct project *p, const char *name, int *ret);

/* 0, WORKTREE_MISSING, or a fault. */
int worktree_git_head(struct project *p, const char *name, struct project_head *ret);
/* Durable, under git's lock; `why` becomes the reflog line. Of `live` it is project_set_head() that is to be called. */
int worktree_git_set_head(struct project *p, const char *name, const char *branch,
			  const struct oid *commit, const char *why);
/* Notes in the reflog that a commit was made on the branch that HEAD names. Not durable, never fails. */
void worktree_git_note(struct project *p, const char *name, const struct oid *from,
		       const struct oid *to, const char *why);
/* The commit it was last brought to; zero when nothing says. */
void worktree_git_stood(struct project *p, const char *name, struct oid *ret);

/* Says where the work tree is mounted (`path`: of the directory); not durable: the next mount says it again. */
int worktree_git_point(struct project *p, const char *name, const char *path);

/* The text of the `.git` file in the work tree, malloc'ed. */
char *worktree_git_text(struct project *p, const char *name);

/* One of the files that git leaves while a merge, rebase, … is unfinished: what is going on, or NULL. */
const char *worktree_git_busy(int admin_fd);

/* Calls `fn` for each admin directory; stops at non-zero, which is returned. */
typedef int (*worktree_name_fn)(const char *name, void *arg);
int worktree_git_each(int project_fd, worktree_name_fn fn, void *arg);
