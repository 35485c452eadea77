/* What lies between two trees, by walking both at once.
 *
 * Two trees are merged in git's order; subtrees of the same id are passed over unread, so the cost is that of the
 * trees that differ, whatever the size of the rest. Entries that the judge refuses take no part: nothing
 * that follows a diff may act on them (store/tree.h shows them to readers).
 *
 * The walk is bounded: a dozen objects can describe ten thousand million paths. Past DIFF_ENTRIES_MAX
 * entries or the depth a path may have it ends with -E2BIG and says so.
 */
#include "store/diff.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/tree_private.h"

enum {
	DIFF_ENTRIES_MAX = 4000000,
	DEPTH_MAX = 128,
	PATH_BYTES_MAX = 4096,
};

/* One side's tree, its fine entries in order. Names are borrowed from `bytes`. */
struct side {
	struct tree_bytes bytes;
	struct tree_entry *entries;
	size_t n, cap;
};

struct walk {
	struct project *project;
	diff_fn fn;
	void *arg;
	struct buf path;
	unsigned depth;
	uint64_t seen;
};

static void side_done(const struct side *s)
{
	tree_bytes_done(&s->bytes);
	free(s->entries);
}

static int take(const struct tree_entry *e, void *arg)
{
	struct side *s = arg;

	if (e->verdict)
		return 0;
	alloc_grow(&s->entries, &s->cap, s->n + 1, sizeof(*s->entries));
	s->entries[s->n++] = *e;
	return 0;
}

/* `oid` NULL is a side that is not there. */
static int open_side(struct walk *w, const struct oid *oid, struct side *s)
{
	char hex[OID_HEX_LEN + 1];
	int r;

	if (!oid)
		return 0;
	r = tree_bytes(w->project, oid, &s->bytes);
	if (!r)
		r = tree_parse(s->bytes.data, s->bytes.len, take, s);
	if (r)
		return r;
	w->seen += s->n;
	if (w->seen > DIFF_ENTRIES_MAX)
		return fail(-E2BIG, "compare tree '%s': more than %d entries",
			    oid_hex(oid, hex), DIFF_ENTRIES_MAX);
	return 0;
}

static int walk_trees(struct walk *w, const struct oid *old_tree, const struct oid *new_tree);

/* Descends into a tree that is on one side or on both. */
static int descend(struct walk *w, const struct tree_entry *a, const struct tree_entry *b)
{
	int r;

	if (w->depth == DEPTH_MAX)
		return fail(-E2BIG, "compare trees deeper than %d", DEPTH_MAX);
	r = buf_str(&w->path, "/");
	if (r)
		return fail(r, "compare below a path of %zu bytes", w->path.len);
	w->depth++;
	r = walk_trees(w, a ? &a->oid : NULL, b ? &b->oid : NULL);
	w->depth--;
	return r;
}

static int report(struct walk *w, const struct tree_entry *a, const struct tree_entry *b)
{
	struct diff_change c = {.kind = DIFF_MODIFIED, .path = w->path.data};

	if (a) {
		c.old_mode = a->mode;
		c.old_oid = a->oid;
	} else {
		c.kind = DIFF_ADDED;
	}
	if (b) {
		c.new_mode = b->mode;
		c.new_oid = b->oid;
	} else {
		c.kind = DIFF_DELETED;
	}
	return w->fn(&c, w->arg);
}

/* One name, with the entry it has on either side. */
static int visit(struct walk *w, const struct tree_entry *a, const struct tree_entry *b)
{
	const struct tree_entry *e = a ? a : b;
	size_t len = w->path.len;
	int r;

	assert(e);
	if (a && b && a->mode == b->mode && oid_eq(&a->oid, &b->oid))
		return 0;
	r = buf_add(&w->path, e->name, e->name_len);
	if (r)
		return fail(r, "compare a path of more than %d bytes", PATH_BYTES_MAX);
	r = e->mode == MODE_TREE ? descend(w, a, b) : report(w, a, b);
	w->path.len = len;
	w->path.data[len] = '\0';
	return r;
}

static int order(const struct tree_entry *a, const struct tree_entry *b)
{
	return tree_name_order(a->name, a->name_len, a->mode == MODE_TREE, b->name, b->name_len,
			       b->mode == MODE_TREE);
}

static int walk_trees(struct walk *w, const struct oid *old_tree, const struct oid *new_tree)
{
	CLEANUP(side_done) struct side a = {.n = 0};
	CLEANUP(side_done) struct side b = {.n = 0};
	size_t i = 0, j = 0;
	int r = open_side(w, old_tree, &a);

	if (!r)
		r = open_side(w, new_tree, &b);
	while (!r && (i < a.n || j < b.n)) {
		int c = i == a.n ? 1 : j == b.n ? -1 : order(&a.entries[i], &b.entries[j]);

		r = visit(w, c <= 0 ? &a.entries[i] : NULL, c >= 0 ? &b.entries[j] : NULL);
		i += c <= 0;
		j += c >= 0;
	}
	return r;
}

int diff_trees(struct project *p, const struct oid *old_tree, const struct oid *new_tree,
	       diff_fn fn, void *arg)
{
	struct walk w = {.project = p, .fn = fn, .arg = arg};
	int r;

	if (oid_eq(old_tree, new_tree))
		return 0;
	buf_init(&w.path, PATH_BYTES_MAX);
	r = buf_reserve(&w.path, 256);
	if (!r)
		r = walk_trees(&w, old_tree, new_tree);
	buf_deinit(&w.path);
	return r;
}
