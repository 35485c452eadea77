/* base/proc.h - child processes, run to completion.
 *
 * Children get exactly the argv and environment named, /dev/null or `in` as standard input,
 * and no descriptor of ours beyond 0, 1 and 2. Nothing goes through a shell.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct buf;

struct proc {
	const char *const *argv;   /* NULL-terminated; argv[0] is looked up in PATH */
	const char *const *env;    /* NULL-terminated; NULL keeps ours */
	int cwd_fd;                /* directory to run in, or -1 for ours */
	int in_fd, out_fd, err_fd; /* -1: /dev/null (in), ours (out, err); borrowed */
	bool dies_with_us;         /* killed when the thread that started it ends */
};

/* Starts it. `ret` is the pid, to be reaped by proc_wait(). 0 or a fault. */
int proc_start(const struct proc *p, pid_t *ret);

/* Waits; returns the exit status (0–255), 128 + n after signal n, or a fault. */
int proc_wait(pid_t pid);

/* Runs it, gathering its standard output (and standard error in `err` unless NULL)
 * up to their ceilings; output past a ceiling is -E2BIG after the child was killed.
 * Returns the exit status as proc_wait() does. */
int proc_run(const struct proc *p, struct buf *out, struct buf *err);
