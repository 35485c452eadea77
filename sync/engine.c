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
#include <time.h>
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
	uint64_t taken;              /* the newest request the mirror was told of */
	struct mirror_status status; /* under the lock, as is: */
	uint64_t answered;           /* … that was carried out */
};

/* Something to look at. */
struct due {
	char name[PROJECT_NAME_MAX + 1];
	int64_t at;      /* clock_now(), not before */
	uint64_t ticket; /* 0: nobody waits */
	bool order, rehash;
};

struct engine {
	struct engine_config config;
	int wake; /* eventfd */
	_Atomic bool stopping;
	struct hosted *hosted;
	size_t n_hosted, hosted_cap;
	int *fds;
	size_t fds_cap;

	pthread_mutex_t lock;
	pthread_cond_t news_cond;
	struct due *due; /* what came in */
	size_t n_due, due_cap;
	bool all_due;
	uint64_t last_ticket, seen_ticket; /* given out; told to a mirror, if there is one */
};

DEFINE_CLEANUP(struct project *, project_unref)

int engine_new(const struct engine_config *config, struct engine **ret)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_condattr_t monotonic;
	struct engine *e;

	if (fd < 0)
		return fail(-errno, "make an eventfd");
	e = alloc_zero(sizeof(*e));
	e->config = *config;
	e->wake = fd;
	e->all_due = true;
	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&e->news_cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*ret = e;
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_hosted; i++)
		mirror_free(e->hosted[i].mirror);
	free(e->due);
	free(e->hosted);
	free(e->fds);
	close(e->wake);
	pthread_cond_destroy(&e->news_cond);
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

/* One entry a project and moment is enough, but for requests, which are told apart. */
static void add_locked(struct engine *e, const char *project, const struct due *want)
{
	size_t len = strnlen(project, PROJECT_NAME_MAX);
	struct due *d;

	for (size_t i = 0; i < e->n_due && !want->ticket; i++)
		if (!strcmp(e->due[i].name, project) && !e->due[i].ticket) {
			if (e->due[i].at > want->at)
				e->due[i].at = want->at;
			return;
		}
	alloc_grow(&e->due, &e->due_cap, e->n_due + 1, sizeof(*e->due));
	d = &e->due[e->n_due++];
	*d = *want;
	memset(d->name, 0, sizeof(d->name));
	memcpy(d->name, project, len);
}

void engine_due(struct engine *e, const char *project)
{
	const struct due want = {.at = 0};

	pthread_mutex_lock(&e->lock);
	if (!project)
		e->all_due = true;
	else
		add_locked(e, project, &want);
	pthread_mutex_unlock(&e->lock);
	wake(e);
}

void engine_edited(struct engine *e, const char *project)
{
	const struct due want = {.at = clock_now(e->config.clock) + ENGINE_EDIT_MS};

	pthread_mutex_lock(&e->lock);
	add_locked(e, project, &want);
	pthread_mutex_unlock(&e->lock);
	wake(e);
}

uint64_t engine_request(struct engine *e, const char *project, bool order, bool rehash)
{
	struct due want = {.order = order, .rehash = rehash};

	pthread_mutex_lock(&e->lock);
	want.ticket = ++e->last_ticket;
	add_locked(e, project, &want);
	pthread_mutex_unlock(&e->lock);
	wake(e);
	return want.ticket;
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
	h.mirror = mirror_new(source_store_new(e->config.store, p, e->config.live),
			      e->config.provider, e->config.clock, seed);
	pthread_mutex_lock(&e->lock);
	alloc_grow(&e->hosted, &e->hosted_cap, e->n_hosted + 1, sizeof(*e->hosted));
	e->hosted[e->n_hosted++] = h;
	pthread_mutex_unlock(&e->lock);
	return 0;
}

static void mark(struct engine *e, const struct due *d)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct hosted *h;

	if (project_open(e->config.store, d->name, &p))
		return;
	h = find(e, project_id(p));
	if (!h) {
		(void)host(e, p);
		h = find(e, project_id(p));
	}
	if (!h)
		return;
	/* It may have been renamed. */
	pthread_mutex_lock(&e->lock);
	memcpy(h->name, d->name, sizeof(h->name));
	pthread_mutex_unlock(&e->lock);
	if (d->rehash)
		mirror_mark_doubt(h->mirror);
	mirror_mark_due(h->mirror, d->order);
	if (!d->ticket)
		return;
	h->taken = d->ticket;
	h->mirror->near = true;
}

static int mark_one(const char *name, void *arg)
{
	struct due d = {.at = 0};

	memcpy(d.name, name, strnlen(name, PROJECT_NAME_MAX));
	mark(arg, &d);
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

/* Takes what is due now out of the list; a malloc'ed array of `*n`. */
static struct due *take_ripe_locked(struct engine *e, size_t *n)
{
	int64_t now = clock_now(e->config.clock);
	struct due *ripe = alloc_array(e->n_due + 1, sizeof(*ripe));
	size_t left = 0;

	*n = 0;
	for (size_t i = 0; i < e->n_due; i++)
		if (e->due[i].at <= now)
			ripe[(*n)++] = e->due[i];
		else
			e->due[left++] = e->due[i];
	e->n_due = left;
	return ripe;
}

static void take_due(struct engine *e)
{
	CLEANUP(free_p) struct due *ripe = NULL;
	uint64_t count, ticket = 0;
	size_t n;
	bool all;

	if (read(e->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_warn("sync: the wake-up of the engine cannot be read, ignoring");
	pthread_mutex_lock(&e->lock);
	ripe = take_ripe_locked(e, &n);
	all = e->all_due;
	e->all_due = false;
	pthread_mutex_unlock(&e->lock);
	if (all)
		mark_all(e);
	for (size_t i = 0; i < n; i++) {
		mark(e, &ripe[i]);
		ticket = ripe[i].ticket > ticket ? ripe[i].ticket : ticket;
	}
	if (!ticket)
		return;
	pthread_mutex_lock(&e->lock);
	e->seen_ticket = ticket;
	pthread_cond_broadcast(&e->news_cond);
	pthread_mutex_unlock(&e->lock);
}

/* Milliseconds until the next entry is due, at most `most`. */
static int64_t until_due(struct engine *e, int64_t most)
{
	int64_t now = clock_now(e->config.clock);

	LOCKED(&e->lock);
	for (size_t i = 0; i < e->n_due; i++) {
		int64_t left = e->due[i].at > now ? e->due[i].at - now : 0;

		most = left < most ? left : most;
	}
	return most;
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
	if (h->answered != h->taken && mirror_is_settled(h->mirror)) {
		h->answered = h->taken;
		h->mirror->near = false;
		pthread_cond_broadcast(&e->news_cond);
		/* What a mirror does only while nobody waits, it does now. */
		wake(e);
	}
	if (e->config.events && is_news(&was, &h->status))
		eventlog_add(e->config.events, h->name, &h->status,
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
	/* Who waits for one that is gone shall see it. */
	if (e->n_hosted != n)
		pthread_cond_broadcast(&e->news_cond);
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
	wait = until_due(e, wait);
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

static struct hosted *find_name_locked(struct engine *e, const char *project)
{
	for (size_t i = 0; i < e->n_hosted; i++)
		if (strcmp(e->hosted[i].name, project) == 0)
			return &e->hosted[i];
	return NULL;
}

int engine_await(struct engine *e, const char *project, uint64_t ticket, int64_t timeout_ms,
		 struct mirror_status *ret)
{
	const struct hosted *h = NULL;
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += timeout_ms % 1000 * 1000000;
	until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	LOCKED(&e->lock);
	for (;;) {
		h = find_name_locked(e, project);
		if (r || (e->seen_ticket >= ticket && (!h || h->answered >= ticket)))
			break;
		r = pthread_cond_timedwait(&e->news_cond, &e->lock, &until);
	}
	if (h)
		*ret = h->status;
	if (!h)
		return e->seen_ticket >= ticket ? MIRROR_NONE : MIRROR_LATE;
	if (h->answered < ticket)
		return MIRROR_LATE;
	return ret->state == MIRROR_SYNCED ? 0 : MIRROR_STUCK;
}

int engine_status(struct engine *e, const char *project, struct mirror_status *ret)
{
	const struct hosted *h;

	LOCKED(&e->lock);
	h = find_name_locked(e, project);
	if (!h)
		return MIRROR_NONE;
	*ret = h->status;
	return 0;
}
