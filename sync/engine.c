/* The engine: mirrors in an array, stepped in turn, asleep in one poll.
 *
 *	any thread ── engine_due() ──▶ names, eventfd ──▶ the engine's thread: find or make the mirror, mark it due
 *	any thread ◀── engine_status() ── copies, renewed after every round
 *
 * `lock` guards the names that came in, and the copies of the statuses; the mirrors themselves belong to the engine's
 * thread alone. Each round gives every mirror one step, so that a large transfer does not keep the others
 * waiting; nothing in a step blocks but the store.
 */
#include "sync/engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "provider/provider.h"
#include "store/project.h"
#include "sync/eventlog.h"
#include "sync/mirror_private.h"

enum { ROUNDS_MAX = 64, WAIT_MAX_MS = 60000 };

struct hosted {
	char name[PROJECT_NAME_MAX + 1];
	uint64_t project_id;
	struct mirror *mirror;
	struct mirror_status status; /* under the lock */
};

struct engine {
	struct engine_config config;
	int wake; /* eventfd */
	_Atomic bool stopping;
	struct eventlog *events;
	struct hosted *hosted;
	size_t n_hosted, hosted_cap;
	int *fds;
	size_t fds_cap;

	pthread_mutex_t lock;
	char **due; /* names that came in */
	size_t n_due, due_cap;
	bool all_due;
};

DEFINE_CLEANUP(struct project *, project_unref)

int engine_new(const struct engine_config *config, struct engine **ret)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct engine *e;

	if (fd < 0)
		return fail(-errno, "make an eventfd");
	e = alloc_zero(sizeof(*e));
	e->config = *config;
	e->wake = fd;
	e->all_due = true;
	e->events = eventlog_new();
	pthread_mutex_init(&e->lock, NULL);
	*ret = e;
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_hosted; i++)
		mirror_free(e->hosted[i].mirror);
	for (size_t i = 0; i < e->n_due; i++)
		free(e->due[i]);
	free(e->due);
	free(e->hosted);
	free(e->fds);
	close(e->wake);
	eventlog_free(e->events);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static void wake(struct engine *e)
{
	static const uint64_t one = 1;

	/* Full means that it is awake already. */
	if (write(e->wake, &one, sizeof(one)) < 0)
		return;
}

void engine_due(struct engine *e, const char *project)
{
	pthread_mutex_lock(&e->lock);
	if (!project) {
		e->all_due = true;
	} else {
		alloc_grow(&e->due, &e->due_cap, e->n_due + 1, sizeof(*e->due));
		e->due[e->n_due++] = alloc_str(project);
	}
	pthread_mutex_unlock(&e->lock);
	wake(e);
}

static struct hosted *find(struct engine *e, uint64_t project_id)
{
	for (size_t i = 0; i < e->n_hosted; i++)
		if (e->hosted[i].project_id == project_id)
			return &e->hosted[i];
	return NULL;
}

static int host(struct engine *e, struct project *p)
{
	struct hosted h = {.project_id = project_id(p)};
	struct state_sandbox rec;
	uint64_t seed;
	int r = state_sandbox_get(e->config.store, h.project_id, &rec);

	/* No sandbox, or one that another provider's engine looks after. */
	if (r || strcmp(rec.provider, provider_name(e->config.provider)) != 0)
		return r < 0 ? r : 0;
	r = mirror_seed(&seed);
	if (r)
		return r;
	memcpy(h.name, project_name(p), strlen(project_name(p)) + 1);
	h.mirror = mirror_new(source_store_new(e->config.store, p), e->config.provider,
			      e->config.clock, seed);
	pthread_mutex_lock(&e->lock);
	alloc_grow(&e->hosted, &e->hosted_cap, e->n_hosted + 1, sizeof(*e->hosted));
	e->hosted[e->n_hosted++] = h;
	pthread_mutex_unlock(&e->lock);
	return 0;
}

static void mark(struct engine *e, const char *name)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct hosted *h;

	if (project_open(e->config.store, name, &p))
		return;
	h = find(e, project_id(p));
	if (!h) {
		(void)host(e, p);
		return;
	}
	/* It may have been renamed. */
	pthread_mutex_lock(&e->lock);
	memcpy(h->name, name, strlen(name) + 1);
	pthread_mutex_unlock(&e->lock);
	mirror_mark_due(h->mirror, false);
}

static int mark_one(const char *name, void *arg)
{
	mark(arg, name);
	return 0;
}

struct wanted {
	struct engine *e;
	size_t n;
};

static int is_missing(const struct state_sandbox *s, void *arg)
{
	struct wanted *w = arg;

	w->n += !find(w->e, s->project_id);
	return 0;
}

/* Every sandbox of the state. Projects are opened one by one only when a record has no mirror yet. */
static void mark_all(struct engine *e)
{
	struct wanted w = {.e = e};

	for (size_t i = 0; i < e->n_hosted; i++)
		mirror_mark_due(e->hosted[i].mirror, false);
	if (!state_sandbox_each(e->config.store, is_missing, &w) && w.n)
		(void)project_each(e->config.store, mark_one, e);
}

static void take_due(struct engine *e)
{
	uint64_t count;
	char **due;
	size_t n;
	bool all;

	if (read(e->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_warn("sync: the wake-up of the engine cannot be read, ignoring");
	pthread_mutex_lock(&e->lock);
	due = TAKE(e->due);
	n = e->n_due;
	all = e->all_due;
	e->n_due = e->due_cap = 0;
	e->all_due = false;
	pthread_mutex_unlock(&e->lock);
	if (all)
		mark_all(e);
	for (size_t i = 0; i < n; i++) {
		if (!all)
			mark(e, due[i]);
		free(due[i]);
	}
	free(due);
}

static bool is_news(const struct mirror_status *was, const struct mirror_status *is)
{
	return was->state != is->state || was->verified != is->verified ||
	       was->attempt != is->attempt || strcmp(was->why, is->why) != 0 ||
	       !oid_eq(&was->record.observed, &is->record.observed) ||
	       !oid_eq(&was->record.desired, &is->record.desired);
}

static void renew_status(struct engine *e, struct hosted *h)
{
	struct mirror_status was = h->status;

	mirror_status_fill(h->mirror, &h->status);
	if (is_news(&was, &h->status))
		eventlog_add(e->events, h->name, &h->status,
			     clock_wall(e->config.clock) * 1000);
}

static void drop_finished(struct engine *e)
{
	size_t n = 0;

	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < e->n_hosted; i++) {
		if (e->hosted[i].mirror->finished) {
			mirror_free(e->hosted[i].mirror);
			continue;
		}
		e->hosted[n] = e->hosted[i];
		renew_status(e, &e->hosted[n]);
		n++;
	}
	e->n_hosted = n;
	pthread_mutex_unlock(&e->lock);
}

/* Steps everything until nothing moves; true when the rounds ran out first. */
static bool work(struct engine *e)
{
	bool moved = true;

	for (unsigned round = 0; moved && round < ROUNDS_MAX; round++) {
		moved = false;
		for (size_t i = 0; i < e->n_hosted; i++)
			moved |= mirror_step(e->hosted[i].mirror);
	}
	return moved;
}

int engine_step(struct engine *e, int timeout_ms)
{
	int64_t wait = timeout_ms < 0 ? WAIT_MAX_MS : timeout_ms;
	size_t n = 0;
	int r;

	take_due(e);
	if (work(e))
		wait = 0;
	drop_finished(e);
	alloc_grow(&e->fds, &e->fds_cap, e->n_hosted + 1, sizeof(*e->fds));
	e->fds[n++] = e->wake;
	for (size_t i = 0; i < e->n_hosted; i++) {
		int fd = talk_fd(&e->hosted[i].mirror->talk);
		int64_t ms = mirror_wait_ms(e->hosted[i].mirror);

		if (fd >= 0)
			e->fds[n++] = fd;
		wait = ms < wait ? ms : wait;
	}
	r = provider_poll(e->config.provider, e->fds, n, (int)wait);
	return r < 0 ? r : 0;
}

void engine_serve(struct engine *e)
{
	while (!atomic_load(&e->stopping))
		if (engine_step(e, WAIT_MAX_MS) < 0)
			break;
}

void *engine_thread(void *engine)
{
	engine_serve(engine);
	return NULL;
}

void engine_stop(struct engine *e)
{
	atomic_store(&e->stopping, true);
	wake(e);
}

struct eventlog *engine_events(struct engine *e)
{
	return e->events;
}

int engine_status(struct engine *e, const char *project, struct mirror_status *ret)
{
	LOCKED(&e->lock);

	for (size_t i = 0; i < e->n_hosted; i++)
		if (strcmp(e->hosted[i].name, project) == 0) {
			*ret = e->hosted[i].status;
			return 0;
		}
	return MIRROR_NONE;
}
