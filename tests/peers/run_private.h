/* tests/peers/run_private.h - a run and its listeners, for the two files that know them.
 */
#pragma once

#include <pthread.h>

#include "base/buf.h"
#include "provider/agent/wire.h"
#include "tests/peers/run.h"

struct channel;
struct provider;

struct held {
	int fd;
	size_t len;
	char *data;
};

struct listener {
	struct run *run;
	struct listener *next;
	uint64_t at;
	int event;
	char *current; /* what the last piece points into */
};

struct run {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int refs, wake, signal, sent_signal, status;
	uint32_t pid;
	bool terminal, started, keep, hold, input_ended, cut, dead_input;
	enum run_end end;
	int64_t deadline, ended_at;
	struct buf input;
	/* pieces `first` … `first + n` */
	struct held *pieces;
	size_t n, cap, kept;
	uint64_t first;
	struct listener *listeners;
	char why[RUN_WHY_MAX], *tag, *words;
	/* the thread's */
	struct provider *provider;
	struct channel *ch;
	struct wire_stream in;
	struct buf out;
};

/* An event descriptor's two ends. */
void run_poke(int event);
void run_unpoke(int event);

/* The lock is held: tells everybody that something changed; adds output; says whether no more is to be read. */
void run_tell_locked(struct run *r);
void run_add_piece_locked(struct run *r, int fd, const void *data, size_t len);
bool run_is_full_locked(const struct run *r);
