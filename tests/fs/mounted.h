/* tests/fs/mounted.h - a home with one project, mounted by a daemon of its own, and a shell to try it with.
 *
 *	cmocka_unit_test_setup_teardown(claim, mounted_setup, mounted_teardown)
 *
 * gives a struct mounted as the state. The daemon is a child process, so the store is never open in the test itself.
 * Scripts see $M (the mount), $H (the home), $R (the repository of project "demo"), $W (a clone of it to
 * commit in and push from) and $T (scratch).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/scratch.h"

struct mounted {
	struct scratch s;
	char home[300], mnt[300];
	pid_t daemon;
};

/* Whether this machine can mount; says in TAP that all is skipped when not. */
bool mounted_possible(void);

int mounted_setup(void **state);
int mounted_teardown(void **state);

/* Ends the daemon as asked (SIGTERM …) or kills it (SIGKILL); its exit status, 128 + n after signal n. */
int mounted_stop(struct mounted *m, int sig);
/* Starts one; it must come to answer. */
void mounted_start(struct mounted *m);
/* Tries to mount at `mnt`: 0 (then it serves), or the outcome or fault of fs_mount(). */
int mounted_try(struct mounted *m, const char *mnt);

/* Runs a shell script (-e -u); its exit status. What it printed is in mounted_out(). */
int mounted_try_sh(struct mounted *m, const char *script);
/* The same; it must exit with 0. Returns what it printed without the last newline; a static
 * buffer, until the fourth call after. */
const char *mounted_sh(struct mounted *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
const char *mounted_out(void);

/* Runs `script` again and again until it exits with 0; fails after half a minute. Returns how long it took. It
 * is late when it takes more than `ms` and more tries than fit into a second of an idle machine; a
 * busy machine may make one late, so the teardown fails when most of a program's waits were. */
int64_t mounted_until(struct mounted *m, int64_t ms, const char *script);

/* A counter of .frag/stats.json ("read", …; NULL: all requests), as the daemon saw it when asked. */
int64_t mounted_requests(struct mounted *m, const char *kind);
