/* One change of a work tree: staged, logged, applied.
 *
 * Nothing in memory moves before the log has the frame, so a log that cannot be written (a full disk) leaves
 * everything as it was and the caller has its error. Applying cannot fail, and the replay of the log is the
 * same three functions, so what a restart sees is what every operation has already exercised.
 *
 * Orphans, inodes that are unlinked and only held, are changed in memory alone: the log has said that they are gone.
 */
#include "store/work_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "store/work_format.h"

void work_txn_init(struct work_txn *t, struct work *w)
{
	*t = (struct work_txn){.w = w, .now = work_now()};
}

void work_txn_deinit(struct work_txn *t)
{
	for (size_t i = 0; i < t->n_recs; i++) {
		struct work_node *n = work_node_find(t->w, t->recs[i]->ino);

		if (n)
			n->staged = NULL;
		work_rec_deinit(t->recs[i]);
		free(t->recs[i]);
	}
	for (size_t i = 0; i < t->n_names; i++)
		free(t->names[i].name);
	free(t->recs);
	free(t->names);
	free(t->gone);
	*t = (struct work_txn){.w = t->w};
}

static struct work_rec *add_rec(struct work_txn *t)
{
	struct work_rec *r = alloc_zero(sizeof(*r));

	alloc_grow(&t->recs, &t->recs_cap, t->n_recs + 1, sizeof(struct work_rec *));
	t->recs[t->n_recs++] = r;
	return r;
}

static void add_name(struct work_txn *t, enum work_name_kind kind, uint64_t dir,
		     const char *name, uint64_t ino)
{
	size_t len = strlen(name);

	alloc_grow(&t->names, &t->names_cap, t->n_names + 1, sizeof(*t->names));
	t->names[t->n_names++] =
		(struct work_name_item){kind, dir, ino, len, alloc_copy(name, len)};
}

struct work_rec *work_txn_rec(struct work_txn *t, struct work_node *n)
{
	struct work_rec *first = NULL;

	for (; n && !n->staged; n = work_parent_node(n)) {
		struct work_rec *r = add_rec(t);

		*r = n->r;
		(void)work_text_ref(r->target);
		(void)work_text_ref(r->xattrs);
		n->staged = r;
		if (!first)
			first = r;
		if (n->is_explicit || n->is_orphan)
			return first;
		add_name(t, WORK_NAME_SET, n->names->dir->r.ino, n->names->text, n->r.ino);
	}
	return first ? first : n->staged;
}

struct work_rec *work_txn_new(struct work_txn *t)
{
	struct work_rec *r = add_rec(t);

	/* Given even when the change fails: a number is never given twice. */
	r->ino = t->w->next_ino++;
	r->atime = r->mtime = r->ctime = t->now;
	r->nlink = 1;
	return r;
}

void work_txn_modified(struct work_txn *t, struct work_node *dir)
{
	for (; dir; dir = work_parent_node(dir)) {
		const struct work_rec *r = dir->staged ? dir->staged : &dir->r;

		dir->changes++;
		if (!(r->flags & WORK_MODIFIED))
			work_txn_rec(t, dir)->flags |= WORK_MODIFIED;
	}
}

void work_txn_modified_above(struct work_txn *t, struct work_node *n)
{
	n->changes++;
	for (struct work_name *e = n->names; e; e = e->next_link)
		work_txn_modified(t, e->dir);
}

struct work_rec *work_txn_touched(struct work_txn *t, struct work_node *dir)
{
	struct work_rec *r = work_txn_rec(t, dir);

	r->mtime = r->ctime = t->now;
	work_txn_modified(t, dir);
	return r;
}

void work_txn_name(struct work_txn *t, const struct work_node *dir, const char *name,
		   uint64_t ino)
{
	add_name(t, WORK_NAME_SET, dir->r.ino, name, ino);
}

int work_txn_unname(struct work_txn *t, struct work_node *dir, const char *name)
{
	const struct tree_list *l = NULL;
	int r = work_listing(t->w, dir, &l);

	if (r)
		return r;
	add_name(t, l && tree_list_find(l, name) ? WORK_NAME_WHITE : WORK_NAME_DROP, dir->r.ino,
		 name, 0);
	tree_list_unref(l);
	return 0;
}

void work_txn_drop(struct work_txn *t, const struct work_node *dir, const char *name)
{
	add_name(t, WORK_NAME_DROP, dir->r.ino, name, 0);
}

void work_txn_gone(struct work_txn *t, struct work_node *n)
{
	alloc_grow(&t->gone, &t->gone_cap, t->n_gone + 1, sizeof(struct work_node *));
	t->gone[t->n_gone++] = n;
}

/* ---- applying ---- */

struct work_node *work_apply_rec(struct work *w, const struct work_rec *r)
{
	struct work_node *n = work_node_find(w, r->ino);
	struct work_rec old;

	if (!n)
		n = work_node_add(w, r->ino);
	if (!n->is_explicit && !n->is_orphan) {
		n->is_explicit = true;
		w->n_explicit++;
	}
	if (!(r->ino & WORK_DERIVED) && r->ino >= w->next_ino)
		w->next_ino = r->ino + 1;
	old = n->r;
	n->r = *r;
	(void)work_text_ref(n->r.target);
	(void)work_text_ref(n->r.xattrs);
	work_rec_deinit(&old);
	return n;
}

void work_apply_name(struct work *w, enum work_name_kind kind, struct work_node *dir,
		     const char *name, size_t len, struct work_node *node)
{
	struct work_name *e;

	switch (kind) {
	case WORK_NAME_SET:
	case WORK_NAME_WHITE:
		work_name_set(w, dir, name, len, kind == WORK_NAME_SET ? node : NULL);
		return;
	case WORK_NAME_DROP:
		e = work_name_find(dir, name, len);
		if (e)
			work_name_drop(w, e);
	}
}

/* What is left of a directory's table: whiteouts, and clean things that somebody holds. */
static void orphan_kids(struct work *w, struct work_node *dir)
{
	while (dir->kids) {
		struct work_name *e = NULL;

		for (uint32_t i = 0; !e && i < dir->kids->cap; i++)
			e = dir->kids->slots[i];
		if (e->node && !e->node->names->next_link)
			work_apply_gone(w, e->node);
		else
			work_name_drop(w, e);
	}
}

void work_apply_gone(struct work *w, struct work_node *n)
{
	if (n->is_orphan)
		return;
	while (n->names)
		work_name_drop(w, n->names);
	if (n->is_explicit)
		w->n_explicit--;
	n->is_explicit = false;
	n->is_orphan = true;
	n->r.nlink = 0;
	/* Held while its table is emptied: dropping the last name frees the table, not the node. */
	n->holds++;
	orphan_kids(w, n);
	work_orders_forget(w, n);
	n->holds--;
	work_node_settle(w, n);
}

static int encode(struct work_txn *t, struct buf *b)
{
	int r = 0;

	for (size_t i = 0; !r && i < t->n_recs; i++) {
		const struct work_node *n = work_node_find(t->w, t->recs[i]->ino);

		if (!n || !n->is_orphan)
			r = work_put_rec(b, t->recs[i]);
	}
	for (size_t i = 0; !r && i < t->n_names; i++) {
		const struct work_name_item *e = &t->names[i];

		r = work_put_name(b, e->kind, e->dir, e->ino, e->name, e->len);
	}
	for (size_t i = 0; !r && i < t->n_gone; i++) {
		if (t->gone[i]->is_explicit || t->gone[i]->staged)
			r = work_put_gone(b, t->gone[i]->r.ino);
	}
	if (!r && t->base)
		r = work_put_base(b, t->base);
	return r ? fail(r, "write the log of work tree '%s'", t->w->info.name) : 0;
}

static void apply(struct work_txn *t)
{
	struct work *w = t->w;

	for (size_t i = 0; i < t->n_recs; i++)
		(void)work_apply_rec(w, t->recs[i]);
	for (size_t i = 0; i < t->n_names; i++) {
		const struct work_name_item *e = &t->names[i];
		struct work_node *dir = work_node_find(w, e->dir);

		work_apply_name(w, e->kind, dir, e->name, e->len,
				e->ino ? work_node_find(w, e->ino) : NULL);
		if (e->kind == WORK_NAME_SET)
			work_orders_added(w, dir, e->name);
	}
	for (size_t i = 0; i < t->n_gone; i++)
		work_apply_gone(w, t->gone[i]);
	if (t->base)
		w->base = *t->base;
}

int work_txn_commit(struct work_txn *t)
{
	struct work *w = t->w;
	int r;

	work_frame_begin(w);
	r = encode(t, &w->log.frame);
	if (!r && w->log.frame.len > WORK_FRAME_HEAD)
		r = work_log_append(w);
	if (r)
		return r;
	for (size_t i = 0; i < t->n_recs; i++) {
		struct work_node *n = work_node_find(w, t->recs[i]->ino);

		if (n)
			n->staged = NULL;
	}
	apply(t);
	/* The change is made, whether or not the log could be shortened. */
	(void)work_log_compact(w, false);
	return 0;
}
