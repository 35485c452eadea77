/* store/import_git.h - a git repository becomes a project, or brings one up to date.
 *
 * The first import mirrors: branches, tags, remote-tracking branches and HEAD as the source has them. A later one
 * of the same source brings what is new (store/import_git_merge.h says whose move wins). The
 * source's address, without password, stands in the project's config as remote.origin.url.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/import.h"

struct store;

struct import_git_report {
	char name[PROJECT_NAME_MAX + 1];
	bool created;      /* the project is new */
	bool resumed;      /* an earlier call had begun */
	bool shallow;      /* the source's history is cut off */
	uint32_t n_refs;   /* the source has */
	uint32_t n_broken; /* … of which point at nothing: left out */
	uint32_t n_moved, n_added, n_diverged, n_clashed; /* refs of a project that was there */
	uint64_t bytes;                                   /* copied */
	uint32_t n_packs, n_loose;
	uint32_t fragments, n_new; /* in the project; of which numbered by this call */
	uint64_t
		n_refused; /* entries of new fragments that the judge refuses: they show as errors */
	uint64_t n_damaged; /* commits and trees that are missing or damaged in the source */
	uint64_t n_missing; /* file contents that are missing */
};

/* 0, IMPORT_REFUSED, or a fault. */
int import_git(struct store *st, const struct import_request *q, struct import_git_report *ret);
