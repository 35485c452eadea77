/* provider/local_bwrap.h - the walls of a sandbox, as arguments of bubblewrap.
 */
#pragma once

#include "provider/local_box.h"

struct bwrap_start {
	const struct box *box;
	int home_fd;       /* the sandbox's home; borrowed, as the others */
	const char *home;  /* its absolute path */
	const char *agent; /* absolute path of frag-agent */
	int listen_fd;     /* where the agent listens */
	int log_fd;
};

enum bwrap_outcome { BWRAP_MISSING = 1 /* it is not installed */ };

/* Starts it, detached from this process. `info` is a descriptor from which bubblewrap's JSON about the sandbox can
 * be read, without blocking; its end without a word is a failure that the log explains. 0, BWRAP_MISSING or a fault. */
int bwrap_start(const struct bwrap_start *s, int *info);

/* The pid in that JSON, as this process sees it; 0 when it is not (wholly) there. */
pid_t bwrap_pid(const char *json, size_t len);
