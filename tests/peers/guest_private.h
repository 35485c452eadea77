/* tests/peers/guest_private.h - all guests, for the two files that know them.
 */
#pragma once

#include <pthread.h>

#include "tests/peers/guest.h"

struct guests {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t reaper;
	struct guest *first;
	uint64_t serial;
	size_t n;
	bool stopping;
	char *dir, *agent;
};

/* Off the list, for good; the list's reference is dropped. */
void guest_leave(struct guest *g);
/* The thread that ends those whose time is over; `arg` is the struct guests. */
void *guests_reap(void *arg);
