/* sync/eventlog.h - the last things that happened to mirrors, for whoever wants to listen.
 *
 * A ring in memory: a listener that is too slow misses the oldest and can tell from the numbers that it did. Nothing waits
 * for listeners. All functions may be called from any thread.
 */
#pragma once

#include <stdint.h>

#include "sync/mirror.h"

struct eventlog;

enum { EVENTLOG_MAX = 512, EVENTLOG_NAME_MAX = 100 };

struct event {
	uint64_t seq;    /* from 1, without gaps */
	int64_t time_ms; /* wall milliseconds */
	char project[EVENTLOG_NAME_MAX + 1];
	struct mirror_status status;
};

struct eventlog *eventlog_new(void);
void eventlog_free(struct eventlog *l); /* nobody waits any more */

/* The status of a project's mirror changed. */
void eventlog_add(struct eventlog *l, const char *project, const struct mirror_status *s,
		  int64_t time_ms);

/* Copies the events after `after` into `ret`, at most `max`, waiting up to `timeout_ms` for the first. How many. */
unsigned eventlog_read(struct eventlog *l, uint64_t after, struct event *ret, unsigned max,
		       int64_t timeout_ms);

/* The number of the last event; 0: there was none. */
uint64_t eventlog_last(struct eventlog *l);
