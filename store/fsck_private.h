/* store/fsck_private.h - what the parts of fsck share.
 */
#pragma once

#include "base/oidmap.h"
#include "store/fragment.h"
#include "store/fsck.h"
#include "store/refs_scan.h"

/* A fragment as fsck goes over it, in the order of numbers. */
struct fsck_fragment {
	uint32_t seq;
	struct oid tree;
	int64_t time;
};

/* One project under examination. */
struct fsck_run {
	struct project *p;
	const struct fsck *how;
	struct fsck_result *result;
	unsigned n_told;
	struct fsck_fragment *fragments; /* with readable commits */
	size_t n_fragments, fragments_cap;
	struct oidmap trees; /* seen */
	struct oidmap blobs; /* seen → size, or FSCK_UNREADABLE */
};

#define FSCK_UNREADABLE UINT64_MAX

void fsck_say(struct fsck_run *run, enum fsck_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Refs against records against commits; fills run->fragments. */
int fsck_numbers(struct fsck_run *run);

/* Every tree and blob that the fragments reach: there, of its hash, first seen when the index says. */
int fsck_objects(struct fsck_run *run);

/* Sizes and listings in the index against what fsck_objects() saw. */
int fsck_listings(struct fsck_run *run);
