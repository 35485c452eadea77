/* store/lru.h - what was decoded lately, by project and object id.
 *
 * A sharded, bounded cache of immutable, counted values. One thread makes a value, others who
 * want it meanwhile wait for it: nothing is inflated twice at once. Thread-safe.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct lru;

/* First member of every value. The maker fills oid, project, bytes and destroy; the rest is the cache's. */
struct lru_item {
	struct oid oid;
	uint64_t project;
	size_t bytes; /* what it counts against the limit */
	void (*destroy)(struct lru_item *it);

	atomic_uint refs;
	struct lru_item *chain, *newer, *older;
};

enum lru_outcome {
	LRU_MAKE =
		1, /* nobody has it: the caller makes it, then calls lru_keep() or lru_give_up() */
};

/* `limit` in bytes over all shards; each shard keeps its newest value whatever its size. */
struct lru *lru_new(size_t limit);
/* Values still referenced outlive it. Accepts NULL. */
void lru_free(struct lru *c);

/* 0 with a reference in `ret`, or LRU_MAKE. Waits while another thread makes it. */
int lru_get(struct lru *c, uint64_t project, const struct oid *oid, struct lru_item **ret);

/* Keeps what the caller made after LRU_MAKE; the caller has a reference to it besides. */
void lru_keep(struct lru *c, struct lru_item *it);

/* Ends a LRU_MAKE without a value to keep; one of those who wait is told to make it. */
void lru_give_up(struct lru *c, uint64_t project, const struct oid *oid);

/* Takes a value out, if it is still in; the caller's own reference stays. */
void lru_drop(struct lru *c, struct lru_item *it);

/* Makes one reference of a fresh value, for those that are never kept. */
void lru_item_init(struct lru_item *it);
void lru_unref(struct lru_item *it);
