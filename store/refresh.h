/* store/refresh.h - make the index follow git.
 *
 * Refs move under us: plain git commits, pushes, fetches. A refresh compares the refs with what
 * the index last saw, numbers the commits that have no number (parents first; ties by
 * committer time, then id), writes their refs/fragments/<seq> and the index records. It is
 * level-triggered: calling it once too often costs a stat or two.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct project;
struct store;

struct refresh_result {
	bool refs_changed;  /* any ref or HEAD moved since the last refresh of this process */
	uint32_t n_new;     /* fragments numbered by this call */
	uint32_t last;      /* highest number now */
	uint64_t n_refused; /* entries of the new fragments' trees that the judge refuses */
	uint64_t n_damaged; /* commits and trees of theirs that are missing or damaged */
};

/* Progress of a long numbering: `done` of `total` commits (total 0: not known yet). May be NULL. */
typedef void (*refresh_progress_fn)(const char *phase, uint64_t done, uint64_t total,
				    void *arg);

/* 0, PROJECT_GONE, or a fault. Damaged commits are skipped with a warning, their ancestors too
 * where they cannot be reached otherwise; everything else is numbered. */
int refresh_project(struct project *p, refresh_progress_fn fn, void *arg,
		    struct refresh_result *ret);

/* Throws a project's index records away and makes them anew from git; numbers come from
 * refs/fragments/<seq>. */
int refresh_rebuild(struct project *p, refresh_progress_fn fn, void *arg);

/* The whole index: `frag reindex`. */
int refresh_rebuild_all(struct store *st, refresh_progress_fn fn, void *arg);
