/* provider/agent/notice.h - noticing that something in the project may have changed.
 *
 * It says when to look, never what happened: a survey (survey.h) is what knows. So events that are lost, doubled or caused by
 * our own sweeps do no harm, and a directory that cannot be watched only costs promptness.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct notice;

enum {
	NOTICE_DIRS_MAX =
		32768, /* directories; what lies deeper is found by whoever looks without being told */
	NOTICE_QUIET_MS = 20,   /* a look follows that long after the last event, */
	NOTICE_LATEST_MS = 200, /* or that long after the first */
};

/* Watches `root` (an absolute path) and all directories below it that are not on the ignore list. NULL when this system has
 * no inotify to give. */
struct notice *notice_new(const char *root);
void notice_free(struct notice *w); /* accepts NULL */

/* Readable when there are events: call notice_hear() then. */
int notice_fd(const struct notice *w);
void notice_hear(struct notice *w, int64_t now_ms);

/* Somebody new wants to be told: a look is due, whatever happened before. */
void notice_doubt(struct notice *w, int64_t now_ms);

/* Milliseconds until it is time to look; -1: there is nothing to look for. */
int notice_wait_ms(const struct notice *w, int64_t now_ms);

/* The look was taken. `cost_ms` is what it cost: the next one waits at least ten times as long. */
void notice_looked(struct notice *w, int64_t now_ms, int64_t cost_ms);
