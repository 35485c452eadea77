/* fs/live.h - what `live/` of a project shows, and since when.
 *
 * live/ follows HEAD as a careful writer would move a directory: a changed file is a new inode renamed over the old
 * name, so whoever has the old one open or mapped keeps reading the old bytes whole; an unchanged
 * one keeps inode and times.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/oid.h"
#include "fs/ident.h"

struct app;
struct fs;
struct node;
struct project;

struct live {
	/* Shared from reading a live directory's tree until the kernel has the answer; exclusive to move. An
	 * invalidation sent afterwards therefore finds whatever was answered from the old tree. */
	pthread_rwlock_t lock;
	bool loaded;
	struct oid commit, tree; /* zero while HEAD is unborn */
	int64_t time;         /* commit time of what was first loaded, or when it last moved */
	struct stamp *stamps; /* when a path last changed under this mount; open addressing */
	size_t n_stamps, cap_stamps;
	int64_t floor_ns; /* nothing counts as changed earlier; 0: no such bound */
};

void live_init(struct live *l);
void live_deinit(struct live *l);

/* Fills tree and commit from HEAD if that has not happened yet. 0 or a fault. */
int live_load(struct app *app, struct project *p);

/* When the thing of that identity changed, in nanoseconds, or 0. Call with the lock. */
int64_t live_stamp_locked(const struct live *l, const struct ident_key *key);

/* HEAD may have moved: shows the new tree and queues what the kernel must drop. From the follower.
 * `*moved` says whether anything changed. 0 or a fault. */
int live_follow(struct fs *fs, struct app *app, struct project *p, bool *moved);
