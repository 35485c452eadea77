/* store/import_git_child.h - git as a child, on our terms.
 *
 * The environment is the caller's without every GIT_* variable that could bend what git does here; of
 * those that say how to reach a server (ssh, TLS, proxy, askpass) all stay, as do the user's own
 * config, credential helpers and keys. No hook, filter, fsmonitor, lazy fetch, automatic gc or helper transport
 * runs. Everything git writes is synced.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;
struct import_git_url;

typedef void (*import_progress_fn)(const char *phase, uint64_t done, uint64_t total, void *arg);

struct import_git_child {
	const char *git_dir;    /* the repository it works on: never the foreign one */
	const char *const *env; /* the program's environment */
	bool may_prompt;        /* a person is there to be asked for a password */
	const struct import_git_url *url; /* whose password git may have; may be NULL */
	import_progress_fn progress;      /* may be NULL */
	void *arg;
};

enum import_git_child_outcome {
	IMPORT_GIT_CHILD_FAILED = 1, /* git said no; its words were logged */
};

/* Runs `git <args>` (NULL-terminated) with `in` (a descriptor or -1) as standard input; standard output is
 * appended to `out` (may be NULL). What git says is logged only when it fails: as errors, progress
 * lines aside. 0, IMPORT_GIT_CHILD_FAILED, or a fault. */
int import_git_child_run(const struct import_git_child *c, const char *const *args, int in,
			 struct buf *out);

/* The same in two steps, for children that are fed: `ret_in` is a socket to write to (MSG_NOSIGNAL), and closing
 * it ends the input. finish() reaps; `what` names the step in messages, NULL keeps a
 * failure quiet. */
struct import_git_feed {
	pid_t pid;
	int in, err;
};
int import_git_child_start(const struct import_git_child *c, const char *const *args,
			   struct import_git_feed *ret);
int import_git_child_finish(struct import_git_feed *f, const char *what);
