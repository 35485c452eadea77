/* store/store_private.h - what the files of store/ share about an opened home.
 */
#pragma once

#include <pthread.h>

#include "store/store.h"

struct project;
struct state;

enum {
	STORE_BUCKETS = 1024, /* of the table of handles */
	STORE_OPEN_MAX = 64,  /* projects whose repository is open at once */
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
};

/* Closes what store/state.c opened; accepts NULL. */
void state_close(struct state *s);
