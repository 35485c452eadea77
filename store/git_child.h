/* store/git_child.h - git itself as a child, for what it does better than a library.
 *
 * The child sees one repository and nothing of the user: no configuration but the repository's,
 * with its hooks, filters and monitors off, no prompt, no pager, no network helper.
 */
#pragma once

#include <sys/types.h>

struct buf;

/* The whole environment, NULL-terminated; a constant. */
const char *const *git_child_env(void);

/* Starts `git <args>` in the bare repository `dir_fd`. `in_fd` and `out_fd` as in struct proc. `ret` is to be
 * reaped with proc_wait(). 0 or a fault. */
int git_child_start(int dir_fd, const char *const *args, int in_fd, int out_fd, pid_t *ret);

/* Runs it to the end, gathering output and error output. Exit status as proc_run() or a fault. */
int git_child_run(int dir_fd, const char *const *args, struct buf *out, struct buf *err);
