/* A walk over all trees of a history that reads each distinct tree once.
 *
 * Each root is compared with the tree of its first parent, which has a lower number: whatever is
 * the same under the same name there was found before, or will be by whoever has that part of
 * history. Only what differs is looked at, and a tree that was looked at once is never again.
 * So the cost is one read and one comparison per distinct tree.
 *
 * A long history is cut in two halves that are walked at the same time, each with maps of its own;
 * of a blob that both found, the lower half's answer counts. The bases make the cut free: the upper
 * half's first root is compared with a tree of the lower half, not walked anew.
 *
 * Trees are parsed with the few lines below instead of tree_parse(): nobody is shown anything from here, and
 * order does not matter, since an entry that is compared with the wrong one is merely looked
 * at once more. Entries that the judge refuses are counted where they are new, for whoever
 * imported them.
 */
#include "store/first_seen.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/judge.h"
#include "base/log.h"
#include "base/oidmap.h"
#include "store/git.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/object.h"
#include "store/project_private.h"
#include "store/store.h"

enum {
	THREADS = 2,
	THREAD_WORTH = 4096,   /* roots a thread must have to be worth starting */
	CACHE_SLOTS = 1 << 13, /* recent trees: the next fragment is compared with them */
	CACHE_BYTES = 32 << 20,
	DEPTH_MAX = 256, /* a path of 4,095 bytes is not deeper than 128 */
	PROGRESS_EVERY = 1024,
	WARN_MOST = 5,
	MODE_OLD_FILE = 0100664, /* written by the first gits */
};

struct entry {
	uint32_t mode;
	const char *name;
	size_t name_len;
	const unsigned char *oid;
};

/* A raw tree being read. */
struct cursor {
	const char *p, *end;
	struct entry e;
	bool more; /* `e` holds an entry */
};

struct walker {
	const struct first_seen_job *job;
	struct project *project;
	git_odb *
		odb; /* kept for the whole walk: asking the project each time is a lock each time */
	size_t from, to; /* its roots */
	uint32_t root;   /* the one at hand */
	struct oidmap trees, blobs;
	git_odb_object *cache[CACHE_SLOTS];
	size_t cached; /* bytes in it */
	atomic_size_t *done;
	unsigned n_bad;
	struct first_seen_census census;
	int fault;
	pthread_t thread;
};

static bool is_tree(uint32_t mode)
{
	return (mode & 0170000) == 0040000;
}

static bool is_blob(uint32_t mode)
{
	return (mode & 0170000) == 0100000 || (mode & 0170000) == 0120000;
}

static void cursor_next(struct cursor *c)
{
	const char *p = c->p, *nul;
	uint32_t mode = 0;

	c->more = false;
	for (; p < c->end && *p >= '0' && *p <= '7'; p++)
		mode = mode << 3 | (uint32_t)(*p - '0');
	if (p == c->end || *p++ != ' ')
		return;
	nul = memchr(p, '\0', (size_t)(c->end - p));
	if (!nul || c->end - nul <= OID_LEN)
		return;
	c->e = (struct entry){
		.mode = mode,
		.name = p,
		.name_len = (size_t)(nul - p),
		.oid = (const unsigned char *)nul + 1,
	};
	c->p = nul + 1 + OID_LEN;
	c->more = true;
}

static void cursor_init(struct cursor *c, git_odb_object *tree)
{
	*c = (struct cursor){0};
	if (!tree)
		return;
	c->p = git_odb_object_data(tree);
	c->end = c->p + git_odb_object_size(tree);
	cursor_next(c);
}

/* git's order: a tree's name ends in a slash. */
static int entry_cmp(const struct entry *a, const struct entry *b)
{
	size_t n = a->name_len < b->name_len ? a->name_len : b->name_len;
	int r = memcmp(a->name, b->name, n);
	unsigned char x, y;

	if (r)
		return r;
	x = a->name_len > n ? (unsigned char)a->name[n] : is_tree(a->mode) ? '/' : '\0';
	y = b->name_len > n ? (unsigned char)b->name[n] : is_tree(b->mode) ? '/' : '\0';
	return (x > y) - (x < y);
}

static void note_bad(struct walker *w, const struct oid *oid)
{
	char hex[OID_HEX_LEN + 1];

	w->census.n_damaged++;
	if (w->n_bad++ < WARN_MOST)
		log_warn("project '%s': tree %s is missing or damaged, ignoring it",
			 project_name(w->project), oid_hex(oid, hex));
}

static int read_object(struct walker *w, const struct oid *oid, git_odb_object **ret)
{
	git_oid id = oid_to_git(oid);

	if (w->odb && !git_odb_read(ret, w->odb, &id))
		return 0;
	return object_read(w->project, oid, ret);
}

static void cache_put(struct walker *w, git_odb_object **slot, git_odb_object *o)
{
	size_t size = git_odb_object_size(o), old = *slot ? git_odb_object_size(*slot) : 0;

	if (w->cached - old + size > CACHE_BYTES)
		return;
	git_odb_object_free(*slot);
	(void)git_odb_object_dup(slot, o);
	w->cached += size - old;
}

/* NULL when it cannot be read, which is noted unless it is only a base. */
static git_odb_object *read_tree(struct walker *w, const struct oid *oid, bool base)
{
	git_odb_object **slot = &w->cache[oid_hash(oid) % CACHE_SLOTS], *o = NULL;
	git_odb_object *copy;
	int r;

	if (*slot && !memcmp(git_odb_object_id(*slot)->id, oid->id, OID_LEN)) {
		(void)git_odb_object_dup(&copy, *slot);
		return copy;
	}
	r = read_object(w, oid, &o);
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		w->fault = r;
	if (!r && git_odb_object_type(o) != GIT_OBJECT_TREE) {
		git_odb_object_free(TAKE(o));
		r = OBJECT_MISSING;
	}
	if (r) {
		if (!base)
			note_bad(w, oid);
		return NULL;
	}
	cache_put(w, slot, o);
	return o;
}

static void walk_tree(struct walker *w, const struct oid *oid, const struct oid *base,
		      int depth);

static void look_at(struct walker *w, const struct entry *e, const struct entry *old, int depth)
{
	struct oid oid, base;

	memcpy(oid.id, e->oid, OID_LEN);
	if (is_blob(e->mode)) {
		(void)oidmap_add(&w->blobs, &oid, w->root);
		return;
	}
	if (!is_tree(e->mode) || depth >= DEPTH_MAX)
		return;
	if (old && is_tree(old->mode)) {
		memcpy(base.id, old->oid, OID_LEN);
		walk_tree(w, &oid, &base, depth + 1);
		return;
	}
	walk_tree(w, &oid, NULL, depth + 1);
}

/* A blob that was a tree's id before, or the other way round, is looked at like any other. */
static bool same(const struct entry *a, const struct entry *b)
{
	return is_tree(a->mode) == is_tree(b->mode) && is_blob(a->mode) == is_blob(b->mode) &&
	       !memcmp(a->oid, b->oid, OID_LEN);
}

static bool is_refused(const struct entry *e)
{
	uint32_t mode = e->mode == MODE_OLD_FILE ? MODE_FILE : e->mode;

	return judge_entry(e->name, e->name_len, mode) != JUDGE_FINE;
}

static void walk_tree(struct walker *w, const struct oid *oid, const struct oid *base,
		      int depth)
{
	CLEANUP(git_odb_object_freep) git_odb_object *tree = NULL;
	CLEANUP(git_odb_object_freep) git_odb_object *old = NULL;
	struct entry last = {0};
	struct cursor at, was;

	/* Added first: what is below is reached in this walk, whatever it takes. */
	if (w->fault || !oidmap_add(&w->trees, oid, 0))
		return;
	tree = read_tree(w, oid, false);
	if (!tree)
		return;
	old = base ? read_tree(w, base, true) : NULL;
	cursor_init(&was, old);
	for (cursor_init(&at, tree); at.more; cursor_next(&at)) {
		bool sorted = !last.name || entry_cmp(&last, &at.e) < 0;
		int c = 1;

		last = at.e;
		while (was.more && (c = entry_cmp(&was.e, &at.e)) < 0)
			cursor_next(&was);
		if (was.more && !c && same(&at.e, &was.e))
			continue;
		w->census.n_refused += !sorted || is_refused(&at.e);
		look_at(w, &at.e, was.more && !c ? &was.e : NULL, depth);
	}
	if (at.p != at.end)
		note_bad(w, oid);
}

static void *walk_roots(void *arg)
{
	struct walker *w = arg;

	for (size_t i = w->from; i < w->to && !w->fault; i++) {
		const struct first_seen_root *root = &w->job->roots[i];

		w->root = (uint32_t)i;
		walk_tree(w, &root->tree, oid_is_zero(&root->base) ? NULL : &root->base, 0);
		atomic_fetch_add_explicit(w->done, 1, memory_order_relaxed);
		/* The first walker runs in the caller's thread and speaks for all. */
		if (!w->from && w->job->progress && i % PROGRESS_EVERY == 0)
			w->job->progress("reading trees", atomic_load(w->done), w->job->n,
					 w->job->arg);
	}
	return NULL;
}

static struct walker *walker_new(const struct first_seen_job *job, size_t from, size_t to)
{
	struct walker *w = alloc_zero(sizeof(*w));

	w->job = job;
	w->project = job->project;
	w->from = from;
	w->to = to;
	oidmap_init(&w->trees);
	oidmap_init(&w->blobs);
	/* Without one, object_read() finds out what is wrong. */
	if (project_odb(w->project, &w->odb))
		w->odb = NULL;
	return w;
}

static void walker_free(struct walker *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		git_odb_object_free(w->cache[i]);
	oidmap_deinit(&w->trees);
	oidmap_deinit(&w->blobs);
	git_odb_free(w->odb);
	free(w);
}

static int by_oid(const void *a, const void *b)
{
	return oid_cmp(&((const struct first_seen_blob *)a)->oid,
		       &((const struct first_seen_blob *)b)->oid);
}

/* What lower walkers found counts. */
static void gather(struct walker *const *w, size_t n_walkers, struct first_seen_blob **ret,
		   size_t *n_ret)
{
	size_t most = 0, n = 0;
	struct first_seen_blob *all;

	for (size_t i = 0; i < n_walkers; i++)
		most += w[i]->blobs.n;
	all = alloc_array(most + 1, sizeof(*all));
	for (size_t i = 0; i < n_walkers; i++) {
		struct oid oid;
		uint64_t root;
		size_t at = 0;

		while (oidmap_next(&w[i]->blobs, &at, &oid, &root)) {
			bool lower = false;

			for (size_t k = 0; !lower && k < i; k++)
				lower = oidmap_find(&w[k]->blobs, &oid) != NULL;
			if (!lower)
				all[n++] = (struct first_seen_blob){.oid = oid,
								    .root = (uint32_t)root};
		}
	}
	qsort(all, n, sizeof(*all), by_oid);
	*ret = all;
	*n_ret = n;
}

int first_seen_find(const struct first_seen_job *job, struct first_seen_blob **ret,
		    size_t *n_ret)
{
	size_t n = job->n < (size_t)THREADS * THREAD_WORTH ? 1 : THREADS;
	struct walker *w[THREADS] = {0};
	bool started[THREADS] = {0};
	atomic_size_t done = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		w[i] = walker_new(job, job->n * i / n, job->n * (i + 1) / n);
		w[i]->done = &done;
		started[i] = i && !pthread_create(&w[i]->thread, NULL, walk_roots, w[i]);
	}
	for (size_t i = 0; i < n; i++) {
		/* Where no thread could be had, this one does the work. */
		if (started[i])
			(void)pthread_join(w[i]->thread, NULL);
		else
			(void)walk_roots(w[i]);
		r = r ? r : w[i]->fault;
		if (job->census) {
			job->census->n_refused += w[i]->census.n_refused;
			job->census->n_damaged += w[i]->census.n_damaged;
		}
	}
	if (!r)
		gather(w, n, ret, n_ret);
	for (size_t i = 0; i < n; i++)
		walker_free(w[i]);
	return r;
}

int blob_first_seen(struct project *p, const struct oid *blob, int64_t *ret)
{
	unsigned char key[INDEX_OID_KEY_LEN];
	CLEANUP(buf_deinit) struct buf val;
	struct reader in;
	int r;

	buf_init(&val, 64);
	index_oid_key(project_id(p), blob, key);
	r = index_get(store_index(project_store(p)), INDEX_BLOB, key, sizeof(key), &val);
	if (r)
		return r == INDEX_MISSING ? (int)FIRST_SEEN_UNKNOWN : r;
	if (val.len != INDEX_BLOB_LEN)
		return FIRST_SEEN_UNKNOWN;
	reader_init(&in, val.data, val.len);
	*ret = (int64_t)reader_u64(&in);
	return 0;
}
