/* store/gc.h - packing and clearing away, without losing anything.
 *
 * Whatever a fragment's ref reaches stays, and so does everything else that git still has: nothing is
 * pruned. What goes is what can be had again (the cache), what nobody can reach (records of vanished
 * projects), and locks of the dead.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct project;
struct store;

struct gc_result {
	uint64_t n_packed; /* projects */
	uint64_t n_locked; /* projects passed over because an import is at work */
	uint64_t bytes_before, bytes_after; /* on disk, of their objects/ */
	uint64_t n_locks;                   /* stale locks removed */
	uint64_t n_vanished;                /* projects whose records were dropped */
	uint64_t cache_freed;               /* bytes */
};

/* Progress: the project at hand. May be NULL. */
typedef void (*gc_progress_fn)(const char *project, void *arg);

struct gc {
	bool full; /* one pack per project, however long it takes; else only small packs are joined */
	uint64_t cache_limit; /* bytes that cache/ may keep */
	gc_progress_fn progress;
	void *arg;
};

/* Packs one project: objects first, synced, then refs. Adds to `ret`. 0, PROJECT_LOCKED, PROJECT_GONE,
 * or a fault. */
int gc_project(struct project *p, bool full, struct gc_result *ret);

/* The whole home. A project that cannot be packed is said in the log and does not stop the others; the
 * first fault is returned. */
int gc_store(struct store *st, const struct gc *how, struct gc_result *ret);
