/* tests/peers/guest.c - who is here, and the coming and going.
 *
 * One lock guards the list and what changes; nothing waits for a sandbox while holding it.
 */
#include "tests/peers/guest_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "tests/peers/run.h"

void guests_lock(struct guests *all)
{
	pthread_mutex_lock(&all->lock);
}

void guests_unlock(struct guests *all)
{
	pthread_mutex_unlock(&all->lock);
}

struct provider *guests_provider(struct guests *all)
{
	const struct provider_local_config config = {.dir = all->dir, .agent = all->agent};
	struct provider *p = NULL;

	(void)provider_local_new(&config, &p);
	return p;
}

void guest_random(char *to, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
	unsigned char bytes[64];

	for (size_t i = 0; i < len; i++) {
		if (i % sizeof(bytes) == 0 &&
		    getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
			abort();
		to[i] = letters[bytes[i % sizeof(bytes)] % 32];
	}
	to[len] = '\0';
}

static struct guest **place_of(struct guests *all, const struct guest *g)
{
	struct guest **at = &all->first;

	while (*at && *at != g)
		at = &(*at)->next;
	return at;
}

struct guest *guest_find(struct guests *all, enum guest_vendor v, const char *id, bool by_name)
{
	struct guest *g;

	guests_lock(all);
	for (g = all->first; g; g = g->next)
		if (g->vendor == v && !g->gone && *g->inner &&
		    (!strcmp(g->id, id) || (by_name && !strcmp(g->name, id))))
			break;
	if (g)
		g->refs++;
	guests_unlock(all);
	return g;
}

void guest_unref(struct guest *g)
{
	struct guests *all = g ? g->all : NULL;
	bool last;

	if (!g)
		return;
	guests_lock(all);
	last = !--g->refs;
	guests_unlock(all);
	if (!last)
		return;
	json_free(g->spec);
	json_free(g->labels);
	if (g->sessions)
		g->sessions_free(g->sessions);
	free(g);
}

static int by_age(const void *a, const void *b)
{
	const struct guest *x = *(struct guest *const *)a, *y = *(struct guest *const *)b;

	return x->serial < y->serial ? 1 : -(x->serial > y->serial);
}

size_t guests_snapshot(struct guests *all, enum guest_vendor v, struct guest ***ret)
{
	size_t n = 0;

	guests_lock(all);
	*ret = alloc_array(all->n + 1, sizeof(**ret));
	for (struct guest *g = all->first; g; g = g->next)
		if (g->vendor == v && !g->gone && *g->inner) {
			g->refs++;
			(*ret)[n++] = g;
		}
	guests_unlock(all);
	qsort(*ret, n, sizeof(**ret), by_age);
	return n;
}

struct creation {
	struct provider_spec spec;
	struct provider_sandbox box;
};

static int start_create(struct provider *p, void *arg, struct provider_call *c)
{
	struct creation *n = arg;

	return provider_create(p, &n->spec, &n->box, c);
}

static bool is_taken(struct guests *all, enum guest_vendor v, const char *name)
{
	for (struct guest *g = all->first; g; g = g->next)
		if (g->vendor == v && !g->gone && !strcmp(g->name, name))
			return true;
	return false;
}

/* Puts it on the list, already running as far as others can see, but busy. */
static int enter(struct guests *all, struct guest *g)
{
	int r = 0;

	guests_lock(all);
	if (all->n >= GUEST_ALL_MAX || all->stopping)
		r = GUEST_FULL;
	else if (is_taken(all, g->vendor, g->name))
		r = GUEST_NAME_TAKEN;
	if (!r) {
		g->serial = ++all->serial;
		g->next = all->first;
		all->first = g;
		all->n++;
		g->refs = 2; /* the list's and the caller's */
	}
	guests_unlock(all);
	return r;
}

void guest_leave(struct guest *g)
{
	struct guests *all = g->all;

	guests_lock(all);
	*place_of(all, g) = g->next;
	all->n--;
	g->gone = true;
	pthread_cond_broadcast(&all->changed);
	guests_unlock(all);
	guest_unref(g);
}

int guest_create(struct guests *all, const struct guest_new *n, struct guest **ret, char *why)
{
	struct creation made = {.spec = {.label = n->name ? n->name : n->id,
					 .env = n->env,
					 .allow_network = n->allow_network}};
	struct guest *g = alloc_zero(sizeof(*g));
	struct provider *p;
	int r;

	g->all = all;
	g->vendor = n->vendor;
	g->expires = INT64_MAX;
	g->busy = true;
	(void)snprintf(g->id, sizeof(g->id), "%s", n->id);
	(void)snprintf(g->name, sizeof(g->name), "%s", n->name ? n->name : n->id);
	r = enter(all, g);
	if (r) {
		free(g);
		return r;
	}
	p = guests_provider(all);
	r = p ? provider_run(p, start_create, &made, 0, why) : -EIO;
	provider_free(p);
	if (r) {
		guest_leave(g);
		guest_unref(g);
		return r;
	}
	guests_lock(all);
	memcpy(g->inner, made.box.id, sizeof(g->inner));
	g->created = g->changed = g->started = clock_wall(clock_system());
	g->last_used = clock_now(clock_system());
	g->spec = n->spec;
	if (n->init)
		n->init(g, n->arg);
	g->busy = false;
	pthread_cond_broadcast(&all->changed);
	guests_unlock(all);
	*ret = g;
	return 0;
}

bool guest_add_run(struct guest *g, struct run *r)
{
	bool ok;

	guests_lock(g->all);
	ok = !g->gone && g->n_runs < GUEST_RUNS_MAX;
	if (ok)
		g->runs[g->n_runs++] = run_ref(r);
	guests_unlock(g->all);
	return ok;
}

void guest_remove_run(struct guest *g, struct run *r)
{
	struct run *found = NULL;

	guests_lock(g->all);
	for (size_t i = 0; i < g->n_runs && !found; i++)
		if (g->runs[i] == r) {
			found = r;
			g->runs[i] = g->runs[--g->n_runs];
		}
	guests_unlock(g->all);
	run_unref(found);
}

enum guest_state guest_state(struct guest *g)
{
	enum guest_state state;

	guests_lock(g->all);
	state = g->state;
	guests_unlock(g->all);
	return state;
}

int64_t guest_left_ms(struct guest *g)
{
	int64_t at;

	guests_lock(g->all);
	at = g->expires;
	guests_unlock(g->all);
	return at == INT64_MAX ? at : at - clock_now(clock_system());
}

struct guest_times guest_times(struct guest *g)
{
	struct guest_times t;

	guests_lock(g->all);
	t = (struct guest_times){
		.created = g->created, .changed = g->changed, .started = g->started};
	guests_unlock(g->all);
	return t;
}

void guest_set_expiry(struct guest *g, int64_t ms)
{
	guests_lock(g->all);
	g->expires = ms < 0 ? INT64_MAX : clock_now(clock_system()) + ms;
	pthread_cond_broadcast(&g->all->changed);
	guests_unlock(g->all);
}

void guest_touch(struct guest *g)
{
	guests_lock(g->all);
	g->last_used = clock_now(clock_system());
	pthread_cond_broadcast(&g->all->changed);
	guests_unlock(g->all);
}

struct guests *guests_new(const char *dir, const char *agent)
{
	struct guests *all = alloc_zero(sizeof(*all));
	pthread_condattr_t attr;

	pthread_mutex_init(&all->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&all->changed, &attr);
	pthread_condattr_destroy(&attr);
	all->dir = alloc_str(dir);
	all->agent = alloc_str(agent);
	if (pthread_create(&all->reaper, NULL, guests_reap, all))
		abort();
	return all;
}

void guests_end(struct guests *all)
{
	struct guest *g;

	guests_lock(all);
	all->stopping = true;
	pthread_cond_broadcast(&all->changed);
	guests_unlock(all);
	pthread_join(all->reaper, NULL);
	guests_lock(all);
	while ((g = all->first)) {
		if (g->busy) {
			pthread_cond_wait(&all->changed, &all->lock);
			continue;
		}
		g->refs++;
		guests_unlock(all);
		(void)guest_delete(g);
		guest_unref(g);
		guests_lock(all);
	}
	guests_unlock(all);
}

void guests_free(struct guests *all)
{
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
	free(all->dir);
	free(all->agent);
	free(all);
}
