/* tests/peers/guest_change.c - pausing, stopping, waking and ending guests, also when their time is over.
 *
 * Whoever changes a guest's state marks it busy first, and then waits for the sandbox without the lock. A thread of its
 * own ends those whose time is over, asleep until the next one's is.
 */
#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "tests/peers/guest_private.h"
#include "tests/peers/run.h"

enum { EXPIRY_RETRY_MS = 200 };

/* Runs one verb of a provider on the sandbox behind `g`. */
typedef int (*verb_fn)(struct provider *p, const char *id, struct provider_call *c);

struct verb {
	verb_fn fn;
	const char *id;
};

static int start_verb(struct provider *p, void *arg, struct provider_call *c)
{
	const struct verb *v = arg;

	return v->fn(p, v->id, c);
}

static int run_verb(struct guest *g, verb_fn fn)
{
	struct verb v = {.fn = fn, .id = g->inner};
	struct provider *p = guests_provider(g->all);
	int r = p ? provider_run(p, start_verb, &v, 0, NULL) : -EIO;

	provider_free(p);
	return r;
}

static size_t borrow_runs(struct guest *g, struct run **ret)
{
	size_t n;

	guests_lock(g->all);
	n = g->n_runs;
	for (size_t i = 0; i < n; i++)
		ret[i] = run_ref(g->runs[i]);
	guests_unlock(g->all);
	return n;
}

static void signal_runs(struct guest *g, int number)
{
	struct run *runs[GUEST_RUNS_MAX];
	size_t n = borrow_runs(g, runs);

	for (size_t i = 0; i < n; i++) {
		run_signal(runs[i], number);
		run_unref(runs[i]);
	}
}

static void end_runs(struct guest *g)
{
	struct run *runs[GUEST_RUNS_MAX];
	size_t n = borrow_runs(g, runs);

	for (size_t i = 0; i < n; i++) {
		run_cut(runs[i]);
		guest_remove_run(g, runs[i]);
		run_unref(runs[i]);
	}
}

/* `waits`: until whoever else changes it is done. */
static int seize(struct guest *g, bool waits)
{
	int r = 0;

	guests_lock(g->all);
	while (waits && g->busy && !g->gone)
		pthread_cond_wait(&g->all->changed, &g->all->lock);
	if (g->gone)
		r = GUEST_GONE;
	else if (g->busy)
		r = GUEST_BUSY;
	else
		g->busy = true;
	guests_unlock(g->all);
	return r;
}

static int do_change(struct guest *g, enum guest_state from, enum guest_state to)
{
	if (to == GUEST_PAUSED && from == GUEST_RUNNING) {
		signal_runs(g, SIGSTOP);
		return 0;
	}
	if (to == GUEST_RUNNING && from == GUEST_PAUSED) {
		signal_runs(g, SIGCONT);
		return 0;
	}
	if (to == GUEST_RUNNING)
		return run_verb(g, provider_start);
	if (to == GUEST_ARCHIVED && from == GUEST_STOPPED)
		return 0;
	if (to == GUEST_STOPPED && (from == GUEST_RUNNING || from == GUEST_PAUSED)) {
		end_runs(g);
		return run_verb(g, provider_stop);
	}
	return GUEST_WRONG_STATE;
}

/* `life_ms`: how long it runs from here on, -1: as long as it would have. */
static int change(struct guest *g, enum guest_state state, int64_t life_ms)
{
	int r = seize(g, life_ms >= 0);

	if (r)
		return r;
	/* Busy: nobody else changes the state. */
	r = g->state == state ? GUEST_WRONG_STATE : do_change(g, g->state, state);
	guests_lock(g->all);
	if (!r) {
		g->state = state;
		g->changed = clock_wall(clock_system());
		if (state == GUEST_RUNNING) {
			/* In the same breath, or the reaper finds its time over. */
			g->started = g->changed;
			g->last_used = clock_now(clock_system());
			if (life_ms >= 0)
				g->expires = g->last_used + life_ms;
		}
	}
	g->busy = false;
	pthread_cond_broadcast(&g->all->changed);
	guests_unlock(g->all);
	return r;
}

int guest_change(struct guest *g, enum guest_state state)
{
	return change(g, state, -1);
}

int guest_wake(struct guest *g, int64_t life_ms)
{
	return change(g, GUEST_RUNNING, life_ms);
}

int guest_delete(struct guest *g)
{
	int r = seize(g, false);

	if (r)
		return r;
	end_runs(g);
	r = run_verb(g, provider_delete);
	guest_leave(g);
	return r;
}

/* When something is due for it. */
static int64_t due(const struct guest *g)
{
	int64_t idle =
		g->idle_ms && g->state == GUEST_RUNNING ? g->last_used + g->idle_ms : INT64_MAX;
	int64_t end = g->state == GUEST_RUNNING ? g->expires : INT64_MAX;

	return idle < end ? idle : end;
}

static void end_of_time(struct guest *g)
{
	int r;

	if (g->vendor == GUEST_DAYTONA && !g->delete_at_stop)
		r = guest_change(g, GUEST_STOPPED);
	else if (g->pause_at_expiry)
		r = guest_change(g, GUEST_PAUSED);
	else
		r = guest_delete(g);
	if (r < 0 || r == GUEST_BUSY) {
		/* Somebody is at it: not again at once. */
		guests_lock(g->all);
		g->last_used = clock_now(clock_system());
		if (g->expires != INT64_MAX)
			g->expires = g->last_used + EXPIRY_RETRY_MS;
		guests_unlock(g->all);
	}
}

void *guests_reap(void *arg)
{
	struct guests *all = arg;

	guests_lock(all);
	while (!all->stopping) {
		int64_t now = clock_now(clock_system()), next = INT64_MAX;
		struct guest *late = NULL;
		struct timespec ts;

		for (struct guest *g = all->first; g; g = g->next) {
			int64_t at = g->gone || g->busy ? INT64_MAX : due(g);

			late = at <= now ? g : late;
			next = at < next ? at : next;
		}
		if (late) {
			late->refs++;
			guests_unlock(all);
			end_of_time(late);
			guest_unref(late);
			guests_lock(all);
			continue;
		}
		if (next == INT64_MAX) {
			pthread_cond_wait(&all->changed, &all->lock);
			continue;
		}
		ts = (struct timespec){.tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000};
		pthread_cond_timedwait(&all->changed, &all->lock, &ts);
	}
	guests_unlock(all);
	return NULL;
}
