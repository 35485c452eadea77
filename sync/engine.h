/* sync/engine.h - all mirrors of a home, on one thread.
 *
 * For the daemon: make it, run engine_serve() on a thread of its own, and call engine_due() whenever a
 * project's refs or HEAD moved. Everything else it finds out itself.
 *
 *	engine_new(&config, &engine);              work_on_change(): engine_edited(engine, project)
 *	pthread_create(&thread, NULL, engine_thread, engine);
 *	fs_on_change(fs, tell_engine, engine);      tell_engine: engine_due(engine, project)
 *	...
 *	engine_stop(engine); pthread_join(thread, NULL); engine_free(engine);
 */
#pragma once

#include "sync/mirror.h"

struct clock;
struct engine;
struct eventlog;
struct source_live;

struct engine_config {
	struct store *store;
	struct provider *provider; /* used by the engine's thread only; stays the caller's */
	const struct clock *clock;
	const struct source_live
		*live;           /* borrowed; NULL: no work tree is open in this process */
	struct eventlog *events; /* borrowed, told what happens; may be NULL */
};

int engine_new(const struct engine_config *config, struct engine **ret);
void engine_free(struct engine *e);

/* The project (by name; NULL: every one) may have a new D, or a sandbox, or none any more. Any thread; returns
 * at once. Calling it once too often costs a read of HEAD. */
void engine_due(struct engine *e, const char *project);

/* The same after a moment (ENGINE_EDIT_MS): somebody edits, and a save is more than one write. */
enum { ENGINE_EDIT_MS = 10 };
void engine_edited(struct engine *e, const char *project);

/* A person wants the sandbox brought to D and proven, as mirror_run() would; see struct mirror_options for order and rehash. A
 * number for engine_await(). Any thread; returns at once. */
uint64_t engine_request(struct engine *e, const char *project, bool order, bool rehash);

/* Waits until the request was carried out or came to rest otherwise, at most `timeout_ms`; not on the engine's thread. `ret` is
 * where it stands. 0 (verified), MIRROR_STUCK, MIRROR_LATE (not yet), or MIRROR_NONE (there is no sandbox that this engine
 * drives; `ret` is untouched). */
int engine_await(struct engine *e, const char *project, uint64_t ticket, int64_t timeout_ms,
		 struct mirror_status *ret);

/* Does what can be done now and waits at most `timeout_ms` for something to happen. 0 or a fault that
 * is the engine's own; a sandbox's faults are its status. */
int engine_step(struct engine *e, int timeout_ms);

/* Steps until engine_stop(), which may be called from any thread and from a signal handler. Mirrors are left where they are:
 * the next engine or mirror_run() goes on. */
void engine_serve(struct engine *e);
void *engine_thread(void *engine); /* engine_serve() for pthread_create(), returns NULL */
void engine_stop(struct engine *e);

/* A copy of where a project's mirror stands, with live progress. Any thread. 0 or MIRROR_NONE. */
int engine_status(struct engine *e, const char *project, struct mirror_status *ret);
