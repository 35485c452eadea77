/* fs/chore.c - work on one project that may take long, without holding up the others. */
#include "fs/chore.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "fs/app.h"

enum { MOMENT_MS = 200 };

struct chore {
	struct chore *next;
	struct chores *all;
	struct app *app;
};

struct chores {
	void (*work)(struct app *app, void *arg);
	void (*done)(void *arg);
	void *arg;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t end_cond;
	struct chore *running;
	unsigned n_threads; /* that may still touch this struct */
};

struct chores *chores_new(void (*work)(struct app *app, void *arg), void (*done)(void *arg),
			  void *arg)
{
	struct chores *e = alloc_zero(sizeof(*e));

	e->work = work;
	e->done = done;
	e->arg = arg;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->end_cond, NULL);
	return e;
}

void chores_free(struct chores *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	while (e->n_threads)
		pthread_cond_wait(&e->end_cond, &e->lock);
	pthread_mutex_unlock(&e->lock);
	pthread_cond_destroy(&e->end_cond);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static bool busy_locked(const struct chores *e, const char *name)
{
	for (const struct chore *at = e->running; at; at = at->next)
		if (!name || !strcmp(at->app->name, name))
			return true;
	return false;
}

bool chores_busy(struct chores *e, const char *name)
{
	LOCKED(&e->lock);
	return busy_locked(e, name);
}

static void take_out_locked(struct chores *e, struct chore *one)
{
	struct chore **at = &e->running;

	while (*at != one)
		at = &(*at)->next;
	*at = one->next;
}

static void *run(void *arg)
{
	struct chore *one = arg;
	struct chores *e = one->all;

	e->work(one->app, e->arg);
	pthread_mutex_lock(&e->lock);
	take_out_locked(e, one);
	pthread_cond_broadcast(&e->end_cond);
	pthread_mutex_unlock(&e->lock);
	app_unref(one->app);
	free(one);
	e->done(e->arg);
	/* The last touch: chores_free() may go on from here. */
	pthread_mutex_lock(&e->lock);
	e->n_threads--;
	pthread_cond_broadcast(&e->end_cond);
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

/* Whether `one` ended within a moment; it may be freed by then, so only its address is looked at. */
static void wait_a_moment(struct chores *e, const struct chore *one)
{
	struct timespec until;
	bool there = true;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += MOMENT_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (there) {
		const struct chore *at = e->running;

		while (at && at != one)
			at = at->next;
		there = at && !pthread_cond_timedwait(&e->end_cond, &e->lock, &until);
	}
}

int chores_run(struct chores *e, struct app *app)
{
	struct chore *one;
	pthread_attr_t detached;
	pthread_t thread;

	LOCKED(&e->lock);
	if (busy_locked(e, app->name))
		return CHORE_BUSY;
	one = alloc_zero(sizeof(*one));
	one->all = e;
	one->app = app_ref(app);
	one->next = e->running;
	e->running = one;
	e->n_threads++;
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &detached, run, one)) {
		/* No thread to be had: here and now, then. */
		pthread_mutex_unlock(&e->lock);
		run(one);
		pthread_mutex_lock(&e->lock);
	} else {
		wait_a_moment(e, one);
	}
	pthread_attr_destroy(&detached);
	return 0;
}
