/* fs/ahead.c - contents handed to the kernel before it asks.
 *
 *	READDIRPLUS → a batch of node ids → the second READ out of it → queued → thread: inflate, NOTIFY_STORE
 *
 * Only nodes that were new to the kernel stand in a batch: what it knew before it has read before, or does not
 * care for. A listing alone starts nothing, so `find` costs no contents; nor does one file that is read. The thread
 * goes on from the second file in the direction that the first two gave, once round, and passes
 * over what was asked for meanwhile.
 *
 * A store waits while the kernel waits for an answer about the same page, so the thread holds nothing then
 * that a worker could want. What is stored is the content of an object: it can be early or in vain, never wrong.
 *
 * Costs: at most IDS_MAX ids and a table to find their batch, about 2 MiB.
 */
#include "fs/ahead.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <fuse_lowlevel.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "fs/app.h"
#include "fs/fs_private.h"
#include "fs/node.h"
#include "fs/place.h"
#include "store/blob.h"

enum {
	BATCHES = 4096,
	IDS_MAX = 128 << 10,  /* over all batches */
	SLOTS = 128 << 10,    /* to find a node's batch; a collision forgets the older one */
	FILE_MAX = 128 << 10, /* larger ones are read ahead by the kernel itself */
	READS_TO_START = 2,
};

struct batch {
	uint32_t serial; /* 0: none */
	uint32_t n, n_reads, last;
	int step;          /* 1 or -1: which way reading goes */
	uint32_t at, left; /* of the thread: the next one, and how many to go */
	uint64_t *ids;     /* 0: asked for, or stored */
};

struct slot {
	uint32_t serial, at;
};

struct ahead {
	struct fs *fs;
	pthread_t thread;
	bool stopped; /* the owner's: joined already */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct batch batches[BATCHES]; /* by serial, the oldest is overwritten */
	uint32_t newest, oldest;       /* serials */
	size_t n_ids;
	struct slot slots[SLOTS];
	uint32_t queue[BATCHES]; /* serials to work on, a stack: what is read now comes first */
	size_t n_queue;
	bool quit;
};

static struct batch *batch_locked(struct ahead *a, uint32_t serial)
{
	struct batch *b = &a->batches[serial % BATCHES];

	return serial && b->serial == serial ? b : NULL;
}

static struct slot *slot_of(struct ahead *a, uint64_t id)
{
	return &a->slots[(id * 0x9e3779b97f4a7c15u >> 32) % SLOTS];
}

static void drop_oldest_locked(struct ahead *a)
{
	struct batch *b = batch_locked(a, a->oldest++);

	if (!b)
		return;
	a->n_ids -= b->n;
	free(b->ids);
	*b = (struct batch){0};
}

void ahead_listed(struct ahead *a, const uint64_t *ids, size_t n)
{
	struct batch b = {.n = (uint32_t)n};

	if (!a || n < READS_TO_START || n > IDS_MAX)
		return;
	b.ids = alloc_array(n, sizeof(*ids));
	memcpy(b.ids, ids, n * sizeof(*ids));
	LOCKED(&a->lock);
	while (a->oldest <= a->newest &&
	       (a->n_ids + n > IDS_MAX || a->newest - a->oldest + 1 >= BATCHES))
		drop_oldest_locked(a);
	b.serial = ++a->newest;
	a->batches[b.serial % BATCHES] = b;
	a->n_ids += n;
	for (uint32_t i = 0; i < n; i++)
		*slot_of(a, ids[i]) = (struct slot){b.serial, i};
}

static void start_locked(struct ahead *a, struct batch *b, uint32_t at)
{
	b->step = at < b->last ? -1 : 1;
	b->at = at;
	b->left = b->n;
	if (a->n_queue == BATCHES)
		return;
	a->queue[a->n_queue++] = b->serial;
	pthread_cond_signal(&a->wake);
}

void ahead_read(struct ahead *a, const struct node *n)
{
	const struct slot *s;
	struct batch *b;

	if (!a)
		return;
	LOCKED(&a->lock);
	s = slot_of(a, n->id);
	b = batch_locked(a, s->serial);
	if (!b || b->ids[s->at] != n->id)
		return;
	b->ids[s->at] = 0;
	if (++b->n_reads == READS_TO_START)
		start_locked(a, b, s->at);
	b->last = s->at;
}

/* The next id of a batch that is still to be stored, 0 at its end. */
static uint64_t step_locked(struct batch *b)
{
	while (b->left) {
		uint64_t id = b->ids[b->at];

		b->ids[b->at] = 0;
		b->at = (b->at + b->n + (uint32_t)b->step) % b->n;
		b->left--;
		if (id)
			return id;
	}
	return 0;
}

/* What to store next, out of the batch queued last; waits for it. 0: quit. */
static uint64_t next_id(struct ahead *a)
{
	LOCKED(&a->lock);
	while (!a->quit) {
		struct batch *b;
		uint64_t id;

		if (!a->n_queue) {
			pthread_cond_wait(&a->wake, &a->lock);
			continue;
		}
		b = batch_locked(a, a->queue[a->n_queue - 1]);
		id = b ? step_locked(b) : 0;
		if (id)
			return id;
		a->n_queue--;
	}
	return 0;
}

static void store(struct fs *fs, uint64_t id, const struct blob_view *v)
{
	struct fuse_bufvec vec = FUSE_BUFVEC_INIT(v->len);
	union {
		const void *in;
		void *out;
	} mem = {.in = v->data};

	vec.buf[0].mem = mem.out;
	/* Best effort: the kernel may have forgotten it, or not yet have read the listing. */
	(void)fuse_lowlevel_notify_store(fs->se, id, 0, &vec, FUSE_BUF_NO_SPLICE);
}

static void store_node(struct fs *fs, const struct node *n)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct blob_view v;

	if (n->kind != PLACE_BLOB || !S_ISREG(n->mode) || !n->size || n->size > FILE_MAX)
		return;
	/* What cannot be read is said to whoever asks for it. */
	if (app_use(fs, n->app, &p) || blob_view(p, &n->oid, &v))
		return;
	if (v.data && v.len == n->size)
		store(fs, n->id, &v);
	blob_done(&v);
}

static void *serve(void *arg)
{
	struct ahead *a = arg;
	uint64_t id;

	while ((id = next_id(a))) {
		struct node *n = node_get(a->fs->nodes, id);

		if (n)
			store_node(a->fs, n);
		node_put(a->fs->nodes, n);
	}
	return NULL;
}

struct ahead *ahead_new(struct fs *fs)
{
	struct ahead *a = alloc_zero(sizeof(*a));

	a->fs = fs;
	a->oldest = 1;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->wake, NULL);
	if (!pthread_create(&a->thread, NULL, serve, a))
		return a;
	a->stopped = true;
	ahead_free(a);
	return NULL;
}

void ahead_stop(struct ahead *a)
{
	if (!a || a->stopped)
		return;
	pthread_mutex_lock(&a->lock);
	a->quit = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	a->stopped = true;
}

void ahead_free(struct ahead *a)
{
	if (!a)
		return;
	ahead_stop(a);
	while (a->oldest <= a->newest)
		drop_oldest_locked(a);
	pthread_cond_destroy(&a->wake);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
