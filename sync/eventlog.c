/* A ring of events under one lock. Events are copies: what they tell was true when they were made.
 */
#include "sync/eventlog.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"

struct eventlog {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t news_cond;
	uint64_t last;
	struct event ring[EVENTLOG_MAX]; /* seq is at (seq - 1) % EVENTLOG_MAX */
};

struct eventlog *eventlog_new(void)
{
	struct eventlog *l = alloc_zero(sizeof(*l));
	pthread_condattr_t monotonic;

	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->news_cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return l;
}

void eventlog_free(struct eventlog *l)
{
	if (!l)
		return;
	pthread_cond_destroy(&l->news_cond);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

void eventlog_add(struct eventlog *l, const char *project, const struct mirror_status *s,
		  int64_t time_ms)
{
	struct event *e;
	size_t len = strnlen(project, EVENTLOG_NAME_MAX);

	LOCKED(&l->lock);
	e = &l->ring[l->last % EVENTLOG_MAX];
	*e = (struct event){.seq = ++l->last, .time_ms = time_ms, .status = *s};
	memcpy(e->project, project, len);
	pthread_cond_broadcast(&l->news_cond);
}

unsigned eventlog_read(struct eventlog *l, uint64_t after, struct event *ret, unsigned max,
		       int64_t timeout_ms)
{
	struct timespec until;
	unsigned n = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += timeout_ms % 1000 * 1000000;
	until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	LOCKED(&l->lock);
	while (l->last <= after && !pthread_cond_timedwait(&l->news_cond, &l->lock, &until))
		;
	if (l->last > EVENTLOG_MAX && after < l->last - EVENTLOG_MAX)
		after = l->last - EVENTLOG_MAX;
	while (after < l->last && n < max)
		ret[n++] = l->ring[after++ % EVENTLOG_MAX];
	return n;
}

uint64_t eventlog_last(struct eventlog *l)
{
	LOCKED(&l->lock);
	return l->last;
}
