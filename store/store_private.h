/* store/store_private.h - what the files of store/ share about an opened home.
 */
#pragma once

#include <pthread.h>

#include "store/blob_cache.h"
#include "store/store.h"

struct lru;
struct project;
struct state;

enum {
	STORE_BUCKETS = 1024,        /* of the table of handles */
	STORE_OPEN_MAX = 64,         /* projects whose repository is open at once */
	STORE_TREE_BYTES = 32 << 20, /* of decoded listings kept in memory */
	STORE_BLOB_BYTES = 64 << 20, /* of inflated blobs kept in memory */
};

struct store {
	char *home;
	int home_fd, projects_fd, run_fd;
	struct index *index;

	pthread_mutex_t table_lock;
	struct project *table[STORE_BUCKETS]; /* handles by name; gone ones have left it */

	pthread_mutex_t open_lock; /* guards the ring of projects with open repositories */
	struct project *hand;      /* where the clock's hand stands; NULL when none is open */
	unsigned n_open;

	pthread_mutex_t state_lock; /* guards the opening of `state` */
	struct state *state;        /* store/state.c; NULL until first used */

	struct lru *trees; /* store/tree_list.c */
	struct lru *blobs; /* store/blob.c */
	struct blob_cache blob_files;
};

/* Closes what store/state.c opened; accepts NULL. */
void state_close(struct state *s);
