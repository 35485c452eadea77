/* store/ref_guard.h - whose a ref's lock is, when its holder was killed.
 *
 * git's locks are files that must not exist, so one that a killed process left keeps everybody out for
 * good. A change of ours is made under a second lock, which dies with its holder and says in its
 * file which ref is about to be locked: whoever takes it next and finds that word still there
 * knows that the ref's lock is nobody's, and removes it.
 */
#pragma once

struct project;

/* Waits for other changes of ours to this project's refs, clears what a dead one left, and says that
 * `name` (refs/… or HEAD) is about to be locked. 0, PROJECT_GONE, or a fault. */
int ref_guard_take(struct project *p, const char *name, int *ret);

/* The change is over, well or not. A descriptor of -1 is fine. */
void ref_guard_release(const int *fd);
