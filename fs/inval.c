/* fs/inval.c - telling the kernel, unasked, what it must forget.
 *
 * The queue is two arrays that change places: one being filled, one being sent. It has no ceiling of its own; what is
 * queued is bounded by the names the kernel knows, since nobody queues for directories that it does not.
 */
#include "fs/inval.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <fuse_lowlevel.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"

struct inval {
	struct fuse_session *se;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, sent_cond;
	struct inval_item *items;
	size_t n, cap;
	uint64_t queued, sent; /* items, ever */
	bool quit;
	bool stopped; /* the owner's: joined already */
};

static void send_one(struct inval *v, const struct inval_item *item)
{
	int r;

	if (item->kind == INVAL_ENTRY)
		r = fuse_lowlevel_notify_inval_entry(v->se, item->id, item->name,
						     strlen(item->name));
	else
		r = fuse_lowlevel_notify_inval_inode(v->se, item->id, 0, 0);
	/* ENOENT: the kernel knows no such name or inode, which is as good. ENOTEMPTY: a mount or
	 * working directory below keeps the name; it is looked up anew all the same. */
	if (r < 0 && r != -ENOENT && r != -ENOTEMPTY && r != -EBADF && r != -ENODEV)
		log_debug("fs: invalidate: %s", strerror(-r));
}

static void drop(struct inval_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(items[i].name);
	free(items);
}

static void *serve(void *arg)
{
	struct inval *v = arg;

	pthread_mutex_lock(&v->lock);
	for (;;) {
		struct inval_item *items = v->items;
		size_t n = v->n;

		if (v->quit)
			break;
		if (!n) {
			pthread_cond_wait(&v->wake, &v->lock);
			continue;
		}
		v->items = NULL;
		v->n = v->cap = 0;
		pthread_mutex_unlock(&v->lock);
		for (size_t i = 0; i < n; i++)
			send_one(v, &items[i]);
		drop(items, n);
		pthread_mutex_lock(&v->lock);
		v->sent += n;
		pthread_cond_broadcast(&v->sent_cond);
	}
	v->sent = v->queued;
	pthread_cond_broadcast(&v->sent_cond);
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

struct inval *inval_new(struct fuse_session *se)
{
	struct inval *v = alloc_zero(sizeof(*v));

	v->se = se;
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->wake, NULL);
	pthread_cond_init(&v->sent_cond, NULL);
	if (pthread_create(&v->thread, NULL, serve, v)) {
		free(v);
		return NULL;
	}
	return v;
}

void inval_stop(struct inval *v)
{
	if (!v || v->stopped)
		return;
	pthread_mutex_lock(&v->lock);
	v->quit = true;
	pthread_cond_signal(&v->wake);
	pthread_mutex_unlock(&v->lock);
	pthread_join(v->thread, NULL);
	v->stopped = true;
}

void inval_free(struct inval *v)
{
	if (!v)
		return;
	inval_stop(v);
	drop(v->items, v->n);
	pthread_cond_destroy(&v->wake);
	pthread_cond_destroy(&v->sent_cond);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

void inval_queue(struct inval *v, const struct inval_item *items, size_t n)
{
	if (!n)
		return;
	LOCKED(&v->lock);
	alloc_grow(&v->items, &v->cap, v->n + n, sizeof(*v->items));
	memcpy(v->items + v->n, items, n * sizeof(*items));
	v->n += n;
	v->queued += n;
	pthread_cond_signal(&v->wake);
}

void inval_wait(struct inval *v)
{
	uint64_t until;

	LOCKED(&v->lock);
	until = v->queued;
	while (v->sent < until && !v->quit)
		pthread_cond_wait(&v->sent_cond, &v->lock);
}
