/* Which engine is meant stands in the sandbox's record: the provider's name. A ticket carries the engine's place in its low bits.
 *
 * An event about a project is told to every engine; those that have no sandbox of it look at a record and go back to sleep.
 */
#include "tools/engines.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "provider/provider.h"
#include "store/project.h"
#include "store/state.h"
#include "sync/engine.h"
#include "sync/eventlog.h"
#include "tools/cli.h"
#include "tools/vendors.h"

enum { ENGINES_MAX = 8, PLACE_BITS = 3 };

struct one {
	struct provider *provider;
	struct engine *engine;
	pthread_t thread;
	bool runs;
};

struct engines {
	struct store *store;
	struct eventlog *events;
	struct one items[ENGINES_MAX];
	size_t n;
};

DEFINE_CLEANUP(struct project *, project_unref)

static void add(struct engines *all, const char *name, struct provider *provider,
		const struct source_live *live)
{
	const struct engine_config config = {.store = all->store,
					     .provider = provider,
					     .clock = clock_system(),
					     .live = live,
					     .events = all->events};
	struct one *o = &all->items[all->n];

	if (engine_new(&config, &o->engine)) {
		provider_free(provider);
		log_warn("daemon: the sandboxes of '%s' cannot be driven here, ignoring", name);
		return;
	}
	o->provider = provider;
	all->n++;
}

struct engines *engines_new(struct cli *cli, struct store *st, const struct source_live *live)
{
	struct engines *all = alloc_zero(sizeof(*all));
	const char *name;

	all->store = st;
	all->events = eventlog_new();
	for (size_t i = 0; (name = vendor_name(i)) && all->n < ENGINES_MAX; i++) {
		struct provider *provider;
		int r = vendor_open(cli, name, &provider);

		if (!r)
			add(all, name, provider, live);
		/* Who has no account there does not want to hear of it. */
		else if (r != VENDOR_UNSET)
			log_warn("daemon: provider '%s' cannot be used: %s; ignoring it", name,
				 r > 0 ? vendor_hint(name) : provider_words(r));
	}
	return all;
}

void engines_start(struct engines *all)
{
	sigset_t every, was;

	(void)sigfillset(&every);
	(void)pthread_sigmask(SIG_SETMASK, &every, &was);
	for (size_t i = 0; i < all->n; i++) {
		struct one *o = &all->items[i];

		o->runs = !pthread_create(&o->thread, NULL, engine_thread, o->engine);
		if (!o->runs)
			log_warn("daemon: an engine's thread does not start, its sandboxes do "
				 "not follow by themselves, ignoring");
	}
	(void)pthread_sigmask(SIG_SETMASK, &was, NULL);
}

void engines_free(struct engines *all)
{
	if (!all)
		return;
	for (size_t i = 0; i < all->n; i++)
		engine_stop(all->items[i].engine);
	for (size_t i = 0; i < all->n; i++) {
		struct one *o = &all->items[i];

		if (o->runs)
			pthread_join(o->thread, NULL);
		engine_free(o->engine);
		provider_free(o->provider);
	}
	eventlog_free(all->events);
	free(all);
}

void engines_due(struct engines *all, const char *project)
{
	for (size_t i = 0; i < all->n; i++)
		engine_due(all->items[i].engine, project);
}

void engines_edited(struct engines *all, const char *project)
{
	for (size_t i = 0; i < all->n; i++)
		engine_edited(all->items[i].engine, project);
}

int engines_status(struct engines *all, const char *project, struct mirror_status *ret)
{
	int r = MIRROR_NONE;

	for (size_t i = 0; i < all->n && r == MIRROR_NONE; i++)
		r = engine_status(all->items[i].engine, project, ret);
	return r;
}

uint64_t engines_request(struct engines *all, const char *project, bool order, bool rehash)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct state_sandbox rec;

	if (project_open(all->store, project, &p) ||
	    state_sandbox_get(all->store, project_id(p), &rec))
		return 0;
	for (size_t i = 0; i < all->n; i++) {
		const struct one *o = &all->items[i];

		if (o->runs && !strcmp(provider_name(o->provider), rec.provider))
			return engine_request(o->engine, project, order, rehash) << PLACE_BITS |
			       i;
	}
	return 0;
}

int engines_await(struct engines *all, const char *project, uint64_t ticket, int64_t timeout_ms,
		  struct mirror_status *ret)
{
	size_t i = ticket & ((1 << PLACE_BITS) - 1);

	return i < all->n ? engine_await(all->items[i].engine, project, ticket >> PLACE_BITS,
					 timeout_ms, ret)
			  : MIRROR_NONE;
}

struct eventlog *engines_events(struct engines *all)
{
	return all->events;
}
