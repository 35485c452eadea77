/* tools/daemon.h - the process behind a mount.
 */
#pragma once

#include <stdbool.h>

struct cli;

struct daemon_config {
	const char *mountpoint; /* absolute, without links */
	const char *options;    /* for libfuse, NULL: none */
	bool allow_other;
	int ready_fd; /* gets one line when the mount answers or has failed; -1: stay in the foreground */
};

/* What stands in the line: DAEMON_READY, or the words that say why not. */
#define DAEMON_READY "ready"

enum { DAEMON_WORDS_MAX = 16384 };

/* Mounts and serves until it is unmounted or told to stop. An exit status. */
int daemon_run(struct cli *cli, const struct daemon_config *config);

/* Starts a daemon of its own session and waits until its mount answers. An exit status. */
int daemon_start(struct cli *cli, const struct daemon_config *config);
