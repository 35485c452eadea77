/* store/git_lock.h - the lock files that git leaves when it is killed.
 *
 * git takes a lock by creating "<file>.lock", and a killed git never removes it: everybody after it fails
 * until somebody does. Nothing in the file says who made it.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

/* True when nobody alive can have made it: it is older than the machine's last start. */
bool git_lock_is_dead(const struct stat *lock);

/* Seconds since it was made, for a message. */
long long git_lock_age(const struct stat *lock);

struct git_lock {
	int dir_fd;       /* where it is; borrowed */
	const char *name; /* in there */
	const char *path; /* in the repository, for a message */
	struct stat stat;
};

/* Calls `fn` for each lock file in the repository's own directory and below refs/. */
typedef void (*git_lock_fn)(const struct git_lock *lock, void *arg);
void git_lock_each(int repo_fd, git_lock_fn fn, void *arg);
