/* Listing a directory that changes meanwhile.
 *
 * Names are sorted by a hash of the name, which is also the cookie: going on after it shows every name that stayed exactly
 * once, whatever came and went. The kernel asks for a big directory in a thousand pieces, so the sorted names of the
 * directories listed last are kept. Removals need no care, because each name is looked up when it
 * is shown; names that come are merged in before the next piece.
 *
 * Two names of one hash (2^-62 for a pair) would get one cookie; the second is shown unless a piece ends
 * just between them.
 */
#include "store/work_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum { KEPT = 8, BATCH = 64 };

struct item {
	uint64_t cookie;  /* 1 … 2^62 */
	uint32_t at, len; /* of its name in `text` */
};

/* The names of one directory. */
struct order {
	uint64_t dir; /* 0: free */
	uint64_t used;
	struct item *items;
	size_t n, sorted, cap;
	char *text;
	size_t text_len, text_cap;
};

struct work_orders {
	struct order kept[KEPT];
	uint64_t clock;
};

struct work_orders *work_orders_new(void)
{
	return alloc_zero(sizeof(struct work_orders));
}

static void clear(struct order *o)
{
	free(o->items);
	free(o->text);
	*o = (struct order){0};
}

void work_orders_free(struct work_orders *o)
{
	for (int i = 0; o && i < KEPT; i++)
		clear(&o->kept[i]);
	free(o);
}

static uint64_t cookie_of(const char *name)
{
	return (work_derive(1, name) << 1 >> 2) + 1;
}

static void add(struct order *o, const char *name, size_t len)
{
	alloc_grow(&o->items, &o->cap, o->n + 1, sizeof(*o->items));
	alloc_grow(&o->text, &o->text_cap, o->text_len + len + 1, 1);
	memcpy(o->text + o->text_len, name, len + 1);
	o->items[o->n++] = (struct item){cookie_of(name), (uint32_t)o->text_len, (uint32_t)len};
	o->text_len += len + 1;
}

static int by_cookie(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

static bool is_same(const struct order *o, const struct item *a, const struct item *b)
{
	return a->cookie == b->cookie && a->len == b->len &&
	       !memcmp(o->text + a->at, o->text + b->at, a->len);
}

/* Sorts in what was added; a name that went and came back is there twice. */
static void settle(struct order *o)
{
	struct item *merged;
	size_t a = 0, b = o->sorted, n = 0;

	if (o->sorted == o->n)
		return;
	qsort(o->items + o->sorted, o->n - o->sorted, sizeof(*o->items), by_cookie);
	merged = alloc_array(o->n, sizeof(*merged));
	while (a < o->sorted || b < o->n) {
		const struct item *next;

		if (b == o->n || (a < o->sorted && o->items[a].cookie <= o->items[b].cookie))
			next = &o->items[a++];
		else
			next = &o->items[b++];
		if (!n || !is_same(o, &merged[n - 1], next))
			merged[n++] = *next;
	}
	free(o->items);
	o->items = merged;
	o->cap = o->n;
	o->n = o->sorted = n;
}

static struct order *find(struct work_orders *all, uint64_t dir)
{
	for (int i = 0; i < KEPT; i++) {
		if (all->kept[i].dir == dir)
			return &all->kept[i];
	}
	return NULL;
}

void work_orders_added(struct work *w, const struct work_node *dir, const char *name)
{
	struct order *o = find(w->orders, dir->r.ino);

	if (o)
		add(o, name, strlen(name));
}

void work_orders_forget(struct work *w, const struct work_node *dir)
{
	struct order *o = w->orders ? find(w->orders, dir->r.ino) : NULL;

	if (o)
		clear(o);
}

static int fill(struct work *w, const struct work_node *dir, struct order *o)
{
	const struct work_names *t = dir->kids;
	const struct tree_list *l = NULL;
	int r = work_listing(w, dir, &l);

	if (r)
		return r;
	for (uint32_t i = 0; t && i < t->cap; i++) {
		if (t->slots[i] && t->slots[i]->node)
			add(o, t->slots[i]->text, t->slots[i]->len);
	}
	for (size_t i = 0; l && i < l->n; i++)
		add(o, l->entries[i].name, l->entries[i].name_len);
	tree_list_unref(l);
	o->dir = dir->r.ino;
	return 0;
}

static int order_of(struct work *w, const struct work_node *dir, struct order **ret)
{
	struct work_orders *all = w->orders;
	struct order *o = find(all, dir->r.ino);
	int r = 0;

	if (!o) {
		o = &all->kept[0];
		for (int i = 1; i < KEPT; i++) {
			if (all->kept[i].used < o->used)
				o = &all->kept[i];
		}
		clear(o);
		r = fill(w, dir, o);
		if (r) {
			clear(o);
			return r;
		}
	}
	o->used = ++all->clock;
	settle(o);
	*ret = o;
	return 0;
}

static size_t after(const struct order *o, uint64_t cookie)
{
	size_t lo = 0, hi = o->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (o->items[mid].cookie > cookie)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

struct shown {
	uint64_t cookie;
	struct work_attr attr;
	char name[256];
};

/* The name in `ret` as it is now, held when `with_attr`; ENOENT when it went. */
static int show(struct work *w, struct work_node *dir, const struct tree_list *l,
		bool with_attr, struct shown *ret)
{
	const struct work_name *known = work_name_find(dir, ret->name, strlen(ret->name));
	const struct tree_entry *e = known || !l ? NULL : tree_list_find(l, ret->name);
	struct work_node *n = known ? known->node : NULL;
	struct work_rec rec;
	int r = 0;

	ret->attr = (struct work_attr){0};
	if (!n && (known || !e))
		return ENOENT;
	if (!n && with_attr && !e->verdict)
		r = work_derived(w, dir, e, &n);
	if (r)
		return r;
	if (n && with_attr) {
		r = work_attr_of(w, n, &ret->attr);
		n->holds += !r;
		work_node_settle(w, n);
	} else if (n) {
		ret->attr.ino = n->r.ino;
		ret->attr.mode = n->r.mode & S_IFMT;
	} else {
		work_clean_rec(w, dir, e, &rec);
		ret->attr.ino = work_derive(dir->r.ino, ret->name);
		ret->attr.mode = rec.mode & S_IFMT;
	}
	return r;
}

/* The next names after `*cookie`, which goes on past them. */
static int collect(struct work *w, uint64_t ino, uint64_t *cookie, bool with_attr,
		   struct shown *ret, size_t *n)
{
	const struct tree_list *l = NULL;
	struct work_node *dir;
	struct order *o;
	int r;

	LOCKED(&w->lock);
	*n = 0;
	r = work_dir_node(w, ino, &dir);
	if (!r)
		r = order_of(w, dir, &o);
	if (!r)
		r = work_listing(w, dir, &l);
	if (r)
		return r == ENOENT ? 0 : r; /* a directory that was removed is empty */
	for (size_t i = after(o, *cookie); i < o->n && *n < BATCH && !r; i++) {
		*cookie = ret[*n].cookie = o->items[i].cookie;
		memcpy(ret[*n].name, o->text + o->items[i].at, (size_t)o->items[i].len + 1);
		r = show(w, dir, l, with_attr, &ret[*n]);
		*n += !r;
		if (r == ENOENT)
			r = 0;
	}
	tree_list_unref(l);
	return r;
}

static void let_go(struct work *w, const struct shown *batch, size_t n)
{
	for (size_t i = 0; i < n; i++)
		work_release(w, batch[i].attr.ino, 1);
}

int work_readdir(struct work *w, uint64_t dir, uint64_t cookie, bool with_attr, work_dir_fn fn,
		 void *arg)
{
	CLEANUP(free_p) struct shown *batch = alloc_array(BATCH, sizeof(*batch));

	work_warm(w, dir);
	for (;;) {
		uint64_t was = cookie;
		bool stop = false;
		size_t n;
		int r = collect(w, dir, &cookie, with_attr, batch, &n);

		for (size_t i = 0; i < n && !stop && !r; i++)
			stop = fn(batch[i].name, batch[i].cookie, &batch[i].attr, arg);
		if (with_attr)
			let_go(w, batch, n);
		/* All of a batch may have gone; the end is where the cookie stands still. */
		if (r || stop || cookie == was)
			return r;
	}
}
