/* The tables of a work tree: inodes by number, names by directory.
 *
 * Both are open-addressed with linear probing and closed up on removal, so there are no tombstones and `rm -rf`
 * of anything leaves nothing behind. A node is 136 bytes, a name 41 and its letters; with their slots an explicit
 * inode comes to about 230 bytes.
 *
 * A node that is clean lives as long as it is held, is being written to, or has known names below it. The
 * links of a hard-linked inode form a chain, which is how "every directory that holds it" is found.
 */
#include "store/work_private.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { NODES_MIN = 64, NAMES_MIN = 4 };

struct work_text *work_text_new(const void *data, size_t len)
{
	struct work_text *t = alloc_zero(sizeof(*t) + len + 1);

	t->refs = 1;
	t->len = (uint32_t)len;
	memcpy(t->data, data, len);
	return t;
}

struct work_text *work_text_ref(struct work_text *t)
{
	if (t)
		t->refs++;
	return t;
}

void work_text_unref(struct work_text *t)
{
	if (t && !--t->refs)
		free(t);
}

void work_rec_deinit(struct work_rec *r)
{
	work_text_unref(r->target);
	work_text_unref(r->xattrs);
	r->target = r->xattrs = NULL;
}

/* ---- inodes ---- */

static size_t node_home(const struct work *w, uint64_t ino)
{
	return (size_t)(ino * 0x9e3779b97f4a7c15 >> 20) & (w->nodes_cap - 1);
}

static size_t node_slot(const struct work *w, uint64_t ino)
{
	size_t i = node_home(w, ino);

	while (w->nodes[i] && w->nodes[i]->r.ino != ino)
		i = (i + 1) & (w->nodes_cap - 1);
	return i;
}

struct work_node *work_node_find(struct work *w, uint64_t ino)
{
	return w->nodes_cap ? w->nodes[node_slot(w, ino)] : NULL;
}

static void nodes_grow(struct work *w)
{
	struct work_node **old = w->nodes;
	size_t cap = w->nodes_cap;

	w->nodes_cap = cap ? cap * 2 : NODES_MIN;
	w->nodes = alloc_array(w->nodes_cap, sizeof(struct work_node *));
	for (size_t i = 0; i < cap; i++) {
		if (old[i])
			w->nodes[node_slot(w, old[i]->r.ino)] = old[i];
	}
	free(old);
}

struct work_node *work_node_add(struct work *w, uint64_t ino)
{
	struct work_node *n = alloc_zero(sizeof(*n));

	if ((w->n_nodes + 1) * 4 > w->nodes_cap * 3)
		nodes_grow(w);
	n->r.ino = ino;
	w->nodes[node_slot(w, ino)] = n;
	w->n_nodes++;
	return n;
}

static void node_remove(struct work *w, const struct work_node *n)
{
	size_t hole = node_slot(w, n->r.ino), mask = w->nodes_cap - 1;

	w->nodes[hole] = NULL;
	w->n_nodes--;
	for (size_t i = (hole + 1) & mask; w->nodes[i]; i = (i + 1) & mask) {
		size_t home = node_home(w, w->nodes[i]->r.ino);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		w->nodes[hole] = w->nodes[i];
		w->nodes[i] = NULL;
		hole = i;
	}
}

static void names_free(struct work_names *t)
{
	if (!t)
		return;
	free(t->slots);
	free(t);
}

static void node_free(struct work_node *n)
{
	names_free(n->kids);
	work_rec_deinit(&n->r);
	free(n);
}

static bool is_needed(const struct work_node *n)
{
	if (n->holds || n->n_writers || n->copying)
		return true;
	return !n->is_orphan && (n->is_explicit || (n->kids && n->kids->n));
}

void work_node_settle(struct work *w, struct work_node *n)
{
	while (n && n != w->root && !is_needed(n)) {
		struct work_node *up = work_parent_node(n);

		if (n->is_orphan && n->r.flags & WORK_NATIVE && !n->is_unborn)
			work_bury(w, n->r.ino);
		if (n->names)
			work_name_drop(w, n->names);
		node_remove(w, n);
		node_free(n);
		n = up;
	}
}

void work_nodes_deinit(struct work *w)
{
	for (size_t i = 0; i < w->nodes_cap; i++) {
		struct work_node *n = w->nodes[i];

		if (!n)
			continue;
		for (uint32_t k = 0; n->kids && k < n->kids->cap; k++)
			free(n->kids->slots[k]);
		node_free(n);
	}
	free(w->nodes);
	w->nodes = NULL;
	w->nodes_cap = w->n_nodes = 0;
}

/* ---- names ---- */

uint32_t work_name_hash(const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3;
	return (uint32_t)(h ^ h >> 32);
}

static uint32_t name_slot(const struct work_names *t, uint32_t hash, const char *name,
			  size_t len)
{
	uint32_t i = hash & (t->cap - 1);

	for (; t->slots[i]; i = (i + 1) & (t->cap - 1)) {
		const struct work_name *e = t->slots[i];

		if (e->hash == hash && e->len == len && !memcmp(e->text, name, len))
			break;
	}
	return i;
}

struct work_name *work_name_find(const struct work_node *dir, const char *name, size_t len)
{
	const struct work_names *t = dir->kids;

	return t ? t->slots[name_slot(t, work_name_hash(name, len), name, len)] : NULL;
}

static void names_grow(struct work_names *t)
{
	struct work_name **old = t->slots;
	uint32_t cap = t->cap;

	t->cap = cap ? cap * 2 : NAMES_MIN;
	t->slots = alloc_array(t->cap, sizeof(struct work_name *));
	for (uint32_t i = 0; i < cap; i++) {
		if (old[i])
			t->slots[name_slot(t, old[i]->hash, old[i]->text, old[i]->len)] =
				old[i];
	}
	free(old);
}

static bool is_logged(const struct work_name *e)
{
	return !e->node || e->node->is_explicit;
}

/* What a compacted log would have is kept counted. */
static void count_name(struct work *w, struct work_name *e, bool is_counted)
{
	if (e->is_counted == is_counted)
		return;
	e->is_counted = is_counted;
	w->n_names += is_counted ? 1 : (size_t)-1;
	w->name_bytes += is_counted ? e->len : (size_t) - (ptrdiff_t)e->len;
}

static void link_name(struct work_name *e, struct work_node *node)
{
	e->node = node;
	if (!node)
		return;
	e->next_link = node->names;
	node->names = e;
}

static void unlink_name(struct work_name *e)
{
	struct work_name **at;

	if (!e->node)
		return;
	for (at = &e->node->names; *at != e; at = &(*at)->next_link)
		;
	*at = e->next_link;
	e->next_link = NULL;
	e->node = NULL;
}

void work_name_set(struct work *w, struct work_node *dir, const char *name, size_t len,
		   struct work_node *node)
{
	uint32_t hash = work_name_hash(name, len), at;
	struct work_name *e;

	if (!dir->kids)
		dir->kids = alloc_zero(sizeof(*dir->kids));
	if ((dir->kids->n + 1) * 4 > dir->kids->cap * 3)
		names_grow(dir->kids);
	at = name_slot(dir->kids, hash, name, len);
	e = dir->kids->slots[at];
	if (e) {
		unlink_name(e);
	} else {
		e = alloc_zero(sizeof(*e) + len + 1);
		*e = (struct work_name){.dir = dir, .hash = hash, .len = (uint8_t)len};
		memcpy(e->text, name, len);
		dir->kids->slots[at] = e;
		dir->kids->n++;
	}
	link_name(e, node);
	count_name(w, e, is_logged(e));
}

void work_name_drop(struct work *w, struct work_name *e)
{
	struct work_names *t = e->dir->kids;
	uint32_t mask = t->cap - 1, hole = name_slot(t, e->hash, e->text, e->len);

	t->slots[hole] = NULL;
	t->n--;
	for (uint32_t i = (hole + 1) & mask; t->slots[i]; i = (i + 1) & mask) {
		uint32_t home = t->slots[i]->hash & mask;

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		t->slots[hole] = t->slots[i];
		t->slots[i] = NULL;
		hole = i;
	}
	if (!t->n) {
		names_free(t);
		e->dir->kids = NULL;
	}
	count_name(w, e, false);
	unlink_name(e);
	free(e);
}
