/* fs/node.c - the inodes the kernel knows of.
 *
 * 64 shards, each with a lock, a slab of chunks and a hash from identity to slot; the identity
 * picks the shard, and the shard stands in the node id, so both ways in take one lock once.
 *
 * Chunks are mapped and unmapped singly, so that memory really falls when the kernel forgets: malloc would keep
 * a million small holes. Slots are handed out from the lowest chunk that has one free, which lets
 * the higher ones run empty. One empty chunk per shard is kept against flutter.
 *
 * Invariants, under a shard's lock:
 *   a slot is used         ⇔ its `id` is not 0 ⇔ it is in the hash (the root is not hashed)
 *   a used slot is freed   ⇔ n_lookup and n_refs are both 0
 *   generations            come from one counter and are never 0, so a freed id does not come back before
 *                          the counter wraps: four thousand million nodes later
 */
#include "fs/node.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"

enum {
	SHARD_BITS = 6,
	SHARDS = 1 << SHARD_BITS,
	SLOT_BITS = 26,
	CHUNK_BYTES = 64 << 10,
	PER_CHUNK = CHUNK_BYTES / sizeof(struct node),
	CHUNKS_MAX = (1 << SLOT_BITS) / PER_CHUNK,
	BUCKETS_MIN = 64,
};

#define NO_SLOT UINT32_MAX

struct chunk {
	struct node *nodes;    /* NULL: not mapped */
	uint32_t n_used, free; /* `free` heads a list through `next` */
};

struct shard {
	pthread_mutex_t lock;
	struct chunk *chunks;
	size_t n_chunks, cap_chunks, first_free, n_empty;
	uint32_t *buckets;
	size_t n_buckets, n_hashed;
};

struct node_table {
	struct shard shards[SHARDS];
	_Atomic uint32_t generation;
	struct node *root;
	void (*release)(struct node *n, void *arg);
	void *arg;
};

struct node_table *node_table_new(void (*release)(struct node *n, void *arg), void *arg)
{
	struct node_table *t = alloc_zero(sizeof(*t));

	t->release = release;
	t->arg = arg;
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *s = &t->shards[i];

		pthread_mutex_init(&s->lock, NULL);
		s->n_buckets = BUCKETS_MIN;
		s->buckets = alloc_array(s->n_buckets, sizeof(*s->buckets));
		memset(s->buckets, 0xff, s->n_buckets * sizeof(*s->buckets));
	}
	return t;
}

static void shard_deinit(struct node_table *t, struct shard *s)
{
	for (size_t c = 0; c < s->n_chunks; c++) {
		if (!s->chunks[c].nodes)
			continue;
		for (size_t i = 0; i < PER_CHUNK; i++)
			if (s->chunks[c].nodes[i].id)
				t->release(&s->chunks[c].nodes[i], t->arg);
		munmap(s->chunks[c].nodes, CHUNK_BYTES);
	}
	free(s->chunks);
	free(s->buckets);
	pthread_mutex_destroy(&s->lock);
}

void node_table_free(struct node_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < SHARDS; i++)
		shard_deinit(t, &t->shards[i]);
	if (t->root)
		t->release(t->root, t->arg);
	free(t->root);
	free(t);
}

static struct node *slot_node(const struct shard *s, uint32_t slot)
{
	return &s->chunks[slot / PER_CHUNK].nodes[slot % PER_CHUNK];
}

static void chunk_map(struct chunk *c, size_t at)
{
	c->nodes = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	assert(c->nodes != MAP_FAILED);
	for (size_t i = 0; i < PER_CHUNK; i++) {
		c->nodes[i].slot = (uint32_t)(at * PER_CHUNK + i);
		c->nodes[i].next = i + 1 < PER_CHUNK ? c->nodes[i].slot + 1 : NO_SLOT;
	}
	c->free = c->nodes[0].slot;
	c->n_used = 0;
}

/* A chunk with a free slot, the lowest there is. */
static struct chunk *chunk_with_room(struct shard *s)
{
	size_t at = s->first_free;

	while (at < s->n_chunks && s->chunks[at].nodes && s->chunks[at].free == NO_SLOT)
		at++;
	s->first_free = at;
	if (at == s->n_chunks) {
		assert(at < CHUNKS_MAX);
		alloc_grow(&s->chunks, &s->cap_chunks, at + 1, sizeof(*s->chunks));
		s->chunks[s->n_chunks++] = (struct chunk){0};
	}
	if (!s->chunks[at].nodes) {
		chunk_map(&s->chunks[at], at);
		s->n_empty++;
	}
	return &s->chunks[at];
}

static struct node *slot_take(struct shard *s)
{
	struct chunk *c = chunk_with_room(s);
	struct node *n = slot_node(s, c->free);

	c->free = n->next;
	if (c->n_used++ == 0)
		s->n_empty--;
	return n;
}

static void slot_give_back(struct shard *s, struct node *n)
{
	size_t at = n->slot / PER_CHUNK;
	struct chunk *c = &s->chunks[at];
	uint32_t slot = n->slot;

	memset(n, 0, sizeof(*n));
	n->slot = slot;
	n->next = c->free;
	c->free = slot;
	if (at < s->first_free)
		s->first_free = at;
	if (--c->n_used)
		return;
	if (s->n_empty++ == 0)
		return;
	munmap(c->nodes, CHUNK_BYTES);
	c->nodes = NULL;
	s->n_empty--;
}

static uint32_t *bucket_of(const struct shard *s, const struct ident_key *key)
{
	return &s->buckets[key->w[1] & (s->n_buckets - 1)];
}

/* Keeps between a quarter and one node a bucket. */
static void rehash(struct shard *s, size_t n_buckets)
{
	uint32_t *old = s->buckets;
	size_t n_old = s->n_buckets;

	s->buckets = alloc_array(n_buckets, sizeof(*s->buckets));
	memset(s->buckets, 0xff, n_buckets * sizeof(*s->buckets));
	s->n_buckets = n_buckets;
	for (size_t i = 0; i < n_old; i++) {
		uint32_t slot = old[i];

		while (slot != NO_SLOT) {
			struct node *n = slot_node(s, slot);
			uint32_t *b = bucket_of(s, &n->ident.key);

			slot = n->next;
			n->next = *b;
			*b = n->slot;
		}
	}
	free(old);
}

static void hash_add(struct shard *s, struct node *n)
{
	uint32_t *b;

	if (s->n_hashed >= s->n_buckets)
		rehash(s, s->n_buckets * 2);
	b = bucket_of(s, &n->ident.key);
	n->next = *b;
	*b = n->slot;
	s->n_hashed++;
}

static void hash_remove(struct shard *s, struct node *n)
{
	uint32_t *b = bucket_of(s, &n->ident.key);

	while (*b != n->slot)
		b = &slot_node(s, *b)->next;
	*b = n->next;
	s->n_hashed--;
	if (s->n_buckets > BUCKETS_MIN && s->n_hashed < s->n_buckets / 4)
		rehash(s, s->n_buckets / 2);
}

static struct node *find_locked(const struct shard *s, const struct ident_key *key)
{
	uint32_t slot = *bucket_of(s, key);

	while (slot != NO_SLOT) {
		struct node *n = slot_node(s, slot);

		if (n->ident.key.w[0] == key->w[0] && n->ident.key.w[1] == key->w[1])
			return n;
		slot = n->next;
	}
	return NULL;
}

static struct shard *shard_of_key(struct node_table *t, const struct ident_key *key)
{
	return &t->shards[key->w[0] & (SHARDS - 1)];
}

static struct shard *shard_of_id(struct node_table *t, uint64_t id)
{
	return &t->shards[(id >> SLOT_BITS) & (SHARDS - 1)];
}

static struct node *get_locked(struct shard *s, uint64_t id)
{
	uint32_t slot = id & ((1u << SLOT_BITS) - 1);
	struct node *n;

	if (slot / PER_CHUNK >= s->n_chunks || !s->chunks[slot / PER_CHUNK].nodes)
		return NULL;
	n = slot_node(s, slot);
	return id && n->id == id ? n : NULL;
}

struct node *node_get(struct node_table *t, uint64_t id)
{
	struct shard *s = shard_of_id(t, id);
	struct node *n;

	if (id == NODE_ROOT_ID)
		return t->root;
	LOCKED(&s->lock);
	n = get_locked(s, id);
	if (n)
		n->n_refs++;
	return n;
}

struct node *node_find(struct node_table *t, const struct ident_key *key)
{
	struct shard *s = shard_of_key(t, key);
	struct node *n;

	LOCKED(&s->lock);
	n = find_locked(s, key);
	if (n)
		n->n_refs++;
	return n;
}

static uint64_t fresh_id(struct node_table *t, const struct shard *s, uint32_t slot)
{
	uint32_t gen = ++t->generation;

	if (!gen)
		gen = ++t->generation;
	return (uint64_t)gen << 32 | (uint64_t)(s - t->shards) << SLOT_BITS | slot;
}

static void fill(struct node *n, const struct node *want)
{
	uint32_t slot = n->slot;

	*n = *want;
	n->slot = slot;
	n->n_lookup = 0;
	n->n_refs = 1;
}

struct node *node_intern(struct node_table *t, const struct node *want, bool *made)
{
	struct shard *s = shard_of_key(t, &want->ident.key);
	struct node *n;

	LOCKED(&s->lock);
	n = find_locked(s, &want->ident.key);
	*made = !n;
	if (n) {
		n->n_refs++;
		return n;
	}
	n = slot_take(s);
	fill(n, want);
	n->id = fresh_id(t, s, n->slot);
	hash_add(s, n);
	return n;
}

struct node *node_intern_root(struct node_table *t, const struct node *want)
{
	assert(!t->root);
	t->root = alloc_zero(sizeof(*t->root));
	fill(t->root, want);
	t->root->id = NODE_ROOT_ID;
	return t->root;
}

/* Frees `n` if nobody wants it any more; `dead` gets what `release` needs. */
static bool reap_locked(struct shard *s, struct node *n, struct node *dead)
{
	if (n->n_refs || n->n_lookup)
		return false;
	hash_remove(s, n);
	*dead = *n;
	slot_give_back(s, n);
	return true;
}

void node_put(struct node_table *t, struct node *n)
{
	struct shard *s;
	struct node dead;
	bool died;

	if (!n || n->id == NODE_ROOT_ID)
		return;
	s = shard_of_id(t, n->id);
	pthread_mutex_lock(&s->lock);
	assert(n->n_refs);
	n->n_refs--;
	died = reap_locked(s, n, &dead);
	pthread_mutex_unlock(&s->lock);
	if (died)
		t->release(&dead, t->arg);
}

bool node_remember(struct node_table *t, struct node *n)
{
	struct shard *s = shard_of_id(t, n->id);

	if (n->id == NODE_ROOT_ID)
		return false;
	LOCKED(&s->lock);
	return n->n_lookup++ == 0;
}

void node_forget(struct node_table *t, uint64_t id, uint64_t n_times)
{
	struct shard *s = shard_of_id(t, id);
	struct node *n, dead;
	bool died = false;

	if (id == NODE_ROOT_ID)
		return;
	pthread_mutex_lock(&s->lock);
	n = get_locked(s, id);
	if (n) {
		n->n_lookup -= n_times < n->n_lookup ? n_times : n->n_lookup;
		died = reap_locked(s, n, &dead);
	}
	pthread_mutex_unlock(&s->lock);
	if (died)
		t->release(&dead, t->arg);
}

bool node_known(struct node_table *t, const struct node *n)
{
	struct shard *s = shard_of_id(t, n->id);

	if (n->id == NODE_ROOT_ID)
		return true;
	LOCKED(&s->lock);
	return n->n_lookup > 0;
}

struct node_stats node_stats(struct node_table *t)
{
	struct node_stats ret = {0};

	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *s = &t->shards[i];

		LOCKED(&s->lock);
		ret.n_nodes += s->n_hashed;
		ret.bytes += s->n_buckets * sizeof(*s->buckets);
		ret.bytes += s->cap_chunks * sizeof(*s->chunks);
		for (size_t c = 0; c < s->n_chunks; c++)
			ret.bytes += s->chunks[c].nodes ? CHUNK_BYTES : 0;
	}
	return ret;
}
