/* store/fsck.h - proof that git and the index say the same, and that git's bytes are what they were.
 *
 * A project is refreshed first, because refs that moved a moment ago are no damage. Then every ref, record,
 * commit, tree and blob that a fragment reaches is looked at once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/refresh.h"

struct project;
struct store;

enum fsck_level {
	FSCK_NOTE,    /* worth knowing: refused names, locks, vanished projects */
	FSCK_PROBLEM, /* something is missing, damaged or contradicts itself */
};

struct fsck_finding {
	const char *project; /* NULL: of the home as a whole */
	enum fsck_level level;
	const char *words; /* what, and where it helps what to do; borrowed during the call */
};

typedef void (*fsck_fn)(const struct fsck_finding *f, void *arg);

struct fsck {
	fsck_fn fn;
	void *arg;
	refresh_progress_fn progress; /* or NULL */
	void *progress_arg;
	bool quick; /* refs, records and commits only: no trees, no blobs */
};

struct fsck_result {
	uint64_t n_problems, n_notes;
	uint64_t n_fragments, n_trees, n_blobs, n_bytes; /* that were looked at */
};

enum {
	FSCK_FINDINGS_MAX = 100, /* per project and kind; more are counted, not told */
};

/* Adds to `ret`. 0 also when problems were found; a fault only when the check could not be made.
 * PROJECT_GONE when the repository is not there. */
int fsck_project(struct project *p, const struct fsck *how, struct fsck_result *ret);

/* The home and every project in it. */
int fsck_store(struct store *st, const struct fsck *how, struct fsck_result *ret);
