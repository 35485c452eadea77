/* Sixteen little caches, each with a lock, a hash table and a list from newest to oldest.
 *
 * Object ids are evenly spread, so their first byte chooses the shard and the next ones the bucket.
 * A value is counted: the cache holds one reference while it lists it, every reader one of
 * its own, so eviction never takes a value from under a reader. Values are destroyed outside
 * the lock.
 *
 * Who asks first for a value that is not there puts a `flight` on the shard's list and makes it without
 * the lock; later ones sleep on the shard's condition until that flight has ended, then look again.
 */
#include "store/lru.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { SHARDS = 16, BUCKETS = 1024 };

struct flight {
	struct flight *next;
	struct oid oid;
	uint64_t project;
};

struct shard {
	pthread_mutex_t lock;
	pthread_cond_t landed;
	struct lru_item *buckets[BUCKETS];
	struct lru_item *newest, *oldest;
	struct flight *flights;
	size_t bytes;
};

struct lru {
	size_t shard_limit;
	struct shard shards[SHARDS];
};

struct lru *lru_new(size_t limit)
{
	struct lru *c = alloc_zero(sizeof(*c));

	c->shard_limit = limit / SHARDS;
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&c->shards[i].lock, NULL);
		pthread_cond_init(&c->shards[i].landed, NULL);
	}
	return c;
}

void lru_free(struct lru *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *s = &c->shards[i];

		while (s->newest) {
			struct lru_item *it = s->newest;

			s->newest = it->older;
			lru_unref(it);
		}
		pthread_mutex_destroy(&s->lock);
		pthread_cond_destroy(&s->landed);
	}
	free(c);
}

static struct shard *shard_of(struct lru *c, const struct oid *oid)
{
	return &c->shards[oid->id[0] % SHARDS];
}

static struct lru_item **bucket_of(struct shard *s, const struct oid *oid)
{
	return &s->buckets[(oid->id[1] | (unsigned)oid->id[2] << 8) % BUCKETS];
}

static struct lru_item *find_locked(struct shard *s, uint64_t project, const struct oid *oid)
{
	for (struct lru_item *it = *bucket_of(s, oid); it; it = it->chain) {
		if (it->project == project && oid_eq(&it->oid, oid))
			return it;
	}
	return NULL;
}

static void unlist_locked(struct shard *s, const struct lru_item *it)
{
	if (it->newer)
		it->newer->older = it->older;
	else
		s->newest = it->older;
	if (it->older)
		it->older->newer = it->newer;
	else
		s->oldest = it->newer;
}

static void list_locked(struct shard *s, struct lru_item *it)
{
	it->newer = NULL;
	it->older = s->newest;
	if (s->newest)
		s->newest->newer = it;
	else
		s->oldest = it;
	s->newest = it;
}

static void remove_locked(struct shard *s, struct lru_item *it)
{
	struct lru_item **at = bucket_of(s, &it->oid);

	while (*at != it)
		at = &(*at)->chain;
	*at = it->chain;
	unlist_locked(s, it);
	s->bytes -= it->bytes;
}

/* Takes out what is over the limit; the result is chained by `chain`. */
static struct lru_item *shrink_locked(struct lru *c, struct shard *s)
{
	struct lru_item *out = NULL;

	while (s->bytes > c->shard_limit && s->oldest != s->newest) {
		struct lru_item *it = s->oldest;

		remove_locked(s, it);
		it->chain = out;
		out = it;
	}
	return out;
}

static struct flight **flight_locked(struct shard *s, uint64_t project, const struct oid *oid)
{
	struct flight **f = &s->flights;

	while (*f && ((*f)->project != project || !oid_eq(&(*f)->oid, oid)))
		f = &(*f)->next;
	return f;
}

static void land_locked(struct shard *s, uint64_t project, const struct oid *oid)
{
	struct flight **at = flight_locked(s, project, oid), *f = *at;

	if (!f)
		return;
	*at = f->next;
	free(f);
	pthread_cond_broadcast(&s->landed);
}

int lru_get(struct lru *c, uint64_t project, const struct oid *oid, struct lru_item **ret)
{
	struct shard *s = shard_of(c, oid);
	struct lru_item *it;
	struct flight *f;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		it = find_locked(s, project, oid);
		if (it || !*flight_locked(s, project, oid))
			break;
		pthread_cond_wait(&s->landed, &s->lock);
	}
	if (it) {
		atomic_fetch_add_explicit(&it->refs, 1, memory_order_relaxed);
		if (s->newest != it) {
			unlist_locked(s, it);
			list_locked(s, it);
		}
		pthread_mutex_unlock(&s->lock);
		*ret = it;
		return 0;
	}
	f = alloc_zero(sizeof(*f));
	*f = (struct flight){.next = s->flights, .oid = *oid, .project = project};
	s->flights = f;
	pthread_mutex_unlock(&s->lock);
	return LRU_MAKE;
}

void lru_keep(struct lru *c, struct lru_item *it)
{
	struct shard *s = shard_of(c, &it->oid);
	struct lru_item **bucket = bucket_of(s, &it->oid), *out;

	atomic_store(&it->refs, 2);
	pthread_mutex_lock(&s->lock);
	it->chain = *bucket;
	*bucket = it;
	list_locked(s, it);
	s->bytes += it->bytes;
	land_locked(s, it->project, &it->oid);
	out = shrink_locked(c, s);
	pthread_mutex_unlock(&s->lock);
	while (out) {
		struct lru_item *next = out->chain;

		lru_unref(out);
		out = next;
	}
}

void lru_give_up(struct lru *c, uint64_t project, const struct oid *oid)
{
	struct shard *s = shard_of(c, oid);

	pthread_mutex_lock(&s->lock);
	land_locked(s, project, oid);
	pthread_mutex_unlock(&s->lock);
}

void lru_drop(struct lru *c, struct lru_item *it)
{
	struct shard *s = shard_of(c, &it->oid);
	bool listed;

	pthread_mutex_lock(&s->lock);
	listed = find_locked(s, it->project, &it->oid) == it;
	if (listed)
		remove_locked(s, it);
	pthread_mutex_unlock(&s->lock);
	if (listed)
		lru_unref(it);
}

void lru_item_init(struct lru_item *it)
{
	atomic_store(&it->refs, 1);
}

void lru_unref(struct lru_item *it)
{
	if (it && atomic_fetch_sub_explicit(&it->refs, 1, memory_order_acq_rel) == 1)
		it->destroy(it);
}
