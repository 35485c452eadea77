/* store/ref_guard.h - whose a ref's lock is, when its holder was killed.
 *
 * git's locks are files that must not exist, so one that a killed process left keeps everybody out for
 * good. A change of ours is made under a second lock, which dies with its holder and says in its
 * file which ref is about to be locked: whoever takes it next and finds that word still there
 * knows that the ref's lock is nobody's, and removes it.
 */
#pragma once

#include <stdbool.h>

struct project;

struct ref_guard {
	struct project *p;
	int fd;      /* -1: not taken */
	bool failed; /* git's lock may have been left by a change that went wrong half-way */
};

/* Waits for other changes of ours to this project's refs, clears what a dead one left, and says that
 * `name` (refs/…, HEAD or worktrees/…/HEAD) is about to be locked. 0, PROJECT_GONE, or a fault. */
int ref_guard_take(struct project *p, const char *name, struct ref_guard *ret);

/* The change is over and git's lock, if all went well, gone. Nothing happens when it was not taken. */
void ref_guard_release(struct ref_guard *g);
