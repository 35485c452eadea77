/* Which fragments changed a path, without asking most of them.
 *
 * What stands at a path is decided by the root tree, and below it by each tree on the way. So every step
 * is remembered by the id of the tree it started from: most fragments share all but the root with
 * an earlier one, and the walk ends at the first tree it has met. Trees are scanned raw, without
 * sizes; the size is asked only of what is reported.
 *
 * A fragment is compared with its first parent, whose number takes reading the commit. As long as
 * all fragments so far agree on the path there is nothing to compare, and the commit is not
 * read.
 */
#include "store/history.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/oidmap.h"
#include "store/blob.h"
#include "store/commit_raw.h"
#include "store/fragment.h"
#include "store/object.h"
#include "store/project.h"
#include "store/tree_private.h"

enum { DEPTH_MAX = 128 };

/* What stands at the path, as numbers of distinct answers: 0 is nothing. */
struct value {
	uint32_t mode;
	struct oid oid;
};

struct walk {
	struct project *project;
	history_fn fn;
	void *arg;

	char *path; /* its components, each ended by a NUL */
	const char *parts[DEPTH_MAX];
	size_t lens[DEPTH_MAX];
	size_t n_parts;
	struct oidmap met[DEPTH_MAX]; /* tree at that depth → number of the answer */

	struct value *values; /* values[0]: nothing there */
	size_t n_values, values_cap;
	struct oidmap numbers; /* id and mode → number of the answer */
	uint32_t *by_seq;      /* number of the answer in each fragment */
	size_t n_seq, seq_cap;
	struct oidmap seqs; /* commit → its number */
};

static bool split(struct walk *w, const char *path)
{
	char *at = w->path = alloc_str(path), *rest = at;

	while (*path && (at = strsep(&rest, "/"))) {
		if (!*at || w->n_parts == DEPTH_MAX)
			return false;
		w->parts[w->n_parts] = at;
		w->lens[w->n_parts++] = strlen(at);
	}
	return true;
}

static uint32_t value_number(struct walk *w, const struct value *v)
{
	struct oid key = v->oid;
	const uint64_t *known;

	/* One id under two modes is two answers. */
	key.id[OID_LEN - 1] ^= (unsigned char)v->mode;
	key.id[OID_LEN - 2] ^= (unsigned char)(v->mode >> 8);
	known = oidmap_find(&w->numbers, &key);
	if (known)
		return (uint32_t)*known;
	(void)oidmap_add(&w->numbers, &key, w->n_values);
	alloc_grow(&w->values, &w->values_cap, w->n_values + 1, sizeof(*w->values));
	w->values[w->n_values] = *v;
	return (uint32_t)w->n_values++;
}

struct wanted {
	const char *name;
	size_t len;
	struct value value;
};

static int match(const struct tree_entry *e, void *arg)
{
	struct wanted *f = arg;

	if (e->verdict || e->name_len != f->len || memcmp(e->name, f->name, f->len) != 0)
		return 0;
	f->value = (struct value){e->mode, e->oid};
	return 1;
}

/* The entry of that name in one tree; mode 0 when there is none, or no such tree. */
static struct value entry_of(struct walk *w, const struct oid *tree, size_t depth)
{
	CLEANUP(tree_bytes_done) struct tree_bytes bytes = {0};
	struct wanted f = {.name = w->parts[depth], .len = w->lens[depth]};

	if (!tree_bytes(w->project, tree, &bytes))
		(void)tree_parse(bytes.data, bytes.len, match, &f);
	return f.value;
}

/* The number of what stands at the path below `root`. */
static uint32_t value_of(struct walk *w, const struct oid *root)
{
	struct value v = {MODE_TREE, *root};
	struct oid way[DEPTH_MAX];
	uint32_t number = 0;
	size_t depth = 0;

	for (; depth < w->n_parts && v.mode == MODE_TREE; depth++) {
		const uint64_t *met = oidmap_find(&w->met[depth], &v.oid);

		if (met) {
			number = (uint32_t)*met;
			goto known;
		}
		way[depth] = v.oid;
		v = entry_of(w, &v.oid, depth);
	}
	if (depth == w->n_parts && v.mode)
		number = value_number(w, &v);
known:
	while (depth-- > 0)
		(void)oidmap_add(&w->met[depth], &way[depth], number);
	return number;
}

/* The number of what stands at the path in the first parent of `f`. */
static int value_before(struct walk *w, const struct fragment *f, uint32_t *ret)
{
	CLEANUP(git_odb_object_freep) git_odb_object *obj = NULL;
	struct commit_raw c;
	const uint64_t *seq;
	struct oid parent;
	int r;

	*ret = 0;
	if (!f->n_parents)
		return 0;
	r = object_read(w->project, &f->commit, &obj);
	if (r < 0)
		return r;
	if (r || commit_raw_parse(git_odb_object_data(obj), git_odb_object_size(obj), &c) ||
	    !c.n_parents)
		return 0;
	parent = commit_raw_parent(&c, 0);
	seq = oidmap_find(&w->seqs, &parent);
	/* A shallow history ends in parents that nobody has. */
	*ret = seq ? w->by_seq[*seq] : 0;
	return 0;
}

static int report(struct walk *w, uint32_t seq, uint32_t number)
{
	const struct value *v = &w->values[number];
	struct history_change c = {.seq = seq, .mode = v->mode, .oid = v->oid};

	/* A blob that is missing is reported all the same: it was changed. */
	if (v->mode && v->mode != MODE_TREE && v->mode != MODE_GITLINK &&
	    blob_size(w->project, &v->oid, &c.size))
		c.size = 0;
	return w->fn(&c, w->arg);
}

static int visit(const struct fragment *f, void *arg)
{
	struct walk *w = arg;
	uint32_t now = value_of(w, &f->tree), before = 0;
	size_t had = w->seq_cap;
	int r = 0;

	alloc_grow(&w->by_seq, &w->seq_cap, (size_t)f->seq + 1, sizeof(*w->by_seq));
	if (w->seq_cap > had)
		memset(w->by_seq + had, 0, (w->seq_cap - had) * sizeof(*w->by_seq));
	w->by_seq[f->seq] = now;
	(void)oidmap_add(&w->seqs, &f->commit, f->seq);
	if (w->n_values > 1)
		r = value_before(w, f, &before);
	if (r || now == before)
		return r;
	return report(w, f->seq, now);
}

int history_each(struct project *p, const char *path, history_fn fn, void *arg)
{
	struct walk *w = alloc_zero(sizeof(*w));
	int r = 0;

	w->project = p;
	w->fn = fn;
	w->arg = arg;
	for (size_t i = 0; i < DEPTH_MAX; i++)
		oidmap_init(&w->met[i]);
	oidmap_init(&w->seqs);
	oidmap_init(&w->numbers);
	/* Nothing is the answer number 0. */
	(void)value_number(w, &(struct value){0});
	if (split(w, path))
		r = fragment_each(p, 0, visit, w);
	for (size_t i = 0; i < DEPTH_MAX; i++)
		oidmap_deinit(&w->met[i]);
	oidmap_deinit(&w->seqs);
	oidmap_deinit(&w->numbers);
	free(w->by_seq);
	free(w->values);
	free(w->path);
	free(w);
	return r;
}
