/* Which files are dirty, and the trees of the modified directories.
 *
 * Both are one walk over the modified directories, and over those that have ignored things below: an edited .gitignore may
 * have changed what those are. An entry is what the directory's table says, else what its base tree has.
 */
#include "store/work_snap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/gitignore.h"
#include "base/judge.h"
#include "store/tree_private.h"

#define TREE_LIMIT ((size_t)1 << 30)

struct entry {
	const char *name;
	size_t len;
	uint32_t mode;
	struct oid oid;
};

/* A directory at work. */
struct tree {
	const struct tree_list *base;
	struct entry *entries;
	size_t n, cap;
	bool is_whole, is_impure;
};

static int walk(struct snap *s, struct work_node *dir, struct oid *ret, bool *whole,
		bool *impure);

static int leave_out(struct snap *s, const char *name, const char *why)
{
	int r = 0;

	if (s->is_collecting)
		return 0;
	r = buf_add(&s->left_out, s->path.data, s->path.len);
	if (!r)
		r = buf_add(&s->left_out, name, strlen(name) + 1);
	if (!r)
		r = buf_add(&s->left_out, why, strlen(why) + 1);
	return r ? fail(r, "note what a snapshot leaves out") : 0;
}

static void cut_path(struct snap *s, size_t len)
{
	if (s->path.len <= len)
		return;
	s->path.len = len;
	s->path.data[len] = '\0';
}

static void add(struct tree *t, const char *name, uint32_t mode, const struct oid *oid)
{
	alloc_grow(&t->entries, &t->cap, t->n + 1, sizeof(*t->entries));
	t->entries[t->n++] = (struct entry){name, strlen(name), mode, *oid};
}

static int by_tree_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return tree_name_order(x->name, x->len, tree_mode_is_tree(x->mode), y->name, y->len,
			       tree_mode_is_tree(y->mode));
}

static bool is_ignored(struct snap *s, const struct tree *t, const struct work_name *e)
{
	size_t was = s->path.len;
	bool yes;

	if (!s->ig || (t->base && tree_list_find(t->base, e->text)))
		return false;
	if (buf_str(&s->path, e->text))
		return false;
	yes = gitignore_match(s->ig, s->path.data, work_is_dir(e->node));
	cut_path(s, was);
	return yes;
}

/* ---- files ---- */

static struct snap_file *file_of(struct snap *s, const struct work_node *n)
{
	/* A number left by an earlier snapshot points at another node, or past the end. */
	if (!n->snapped || n->snapped > s->n_files || s->files[n->snapped - 1].node != n)
		return NULL;
	return &s->files[n->snapped - 1];
}

static struct snap_file *add_file(struct snap *s, struct work_node *n)
{
	alloc_grow(&s->files, &s->files_cap, s->n_files + 1, sizeof(*s->files));
	s->files[s->n_files++] = (struct snap_file){.node = n};
	n->snapped = (uint32_t)s->n_files;
	n->holds++;
	return &s->files[s->n_files - 1];
}

static int hash_late(struct snap *s, struct work_node *n, struct snap_file **ret)
{
	struct snap_file *f = add_file(s, n);
	int r = snap_hash_locked(s, n, f);

	*ret = f;
	f->is_too_large = r == SNAP_TOO_LARGE;
	f->is_hashed = !r;
	/* Somebody may be in the middle of a write; then it stays dirty. */
	if (n->n_writers || n->copying)
		f->changes--;
	return r == SNAP_TOO_LARGE ? 0 : r;
}

static int add_dirty(struct snap *s, struct tree *t, const struct work_name *e)
{
	struct work_node *n = e->node;
	struct snap_file *f = file_of(s, n);
	int r = 0;

	if (s->is_collecting) {
		if (!f)
			(void)add_file(s, n);
		return 0;
	}
	if (!f || (!f->is_hashed && !f->is_too_large))
		r = hash_late(s, n, &f);
	if (r)
		return r;
	if (f->changes != n->changes)
		t->is_whole = false;
	if (f->is_too_large)
		return leave_out(s, e->text, "larger than a blob may be");
	s->n_hashed++;
	add(t, e->text, n->r.mode & S_IXUSR ? MODE_EXEC : MODE_FILE, &f->oid);
	return 0;
}

static int add_link(struct snap *s, struct tree *t, const struct work_name *e)
{
	const struct work_rec *r = &e->node->r;
	struct oid oid = r->oid;
	int err = 0;

	if (s->is_collecting)
		return 0;
	if (oid_is_zero(&oid))
		err = pack_add(s->pack, GIT_OBJECT_BLOB, r->target->data, r->target->len, &oid);
	if (!err)
		add(t, e->text, MODE_LINK, &oid);
	return err;
}

/* ---- directories ---- */

static int add_dir(struct snap *s, struct tree *t, const struct work_name *e)
{
	struct work_node *n = e->node;
	bool whole = true, impure = false;
	size_t was = s->path.len;
	struct oid oid;
	int r;

	if (n->r.flags & WORK_GITLINK) {
		add(t, e->text, MODE_GITLINK, &n->r.oid);
		return 0;
	}
	r = buf_str(&s->path, e->text);
	if (!r)
		r = buf_str(&s->path, "/");
	r = r ? fail(r, "snapshot a path too long") : walk(s, n, &oid, &whole, &impure);
	cut_path(s, was);
	if (r)
		return r;
	t->is_whole &= whole;
	t->is_impure |= impure;
	if (!oid_is_zero(&oid))
		add(t, e->text, MODE_TREE, &oid);
	return 0;
}

static int add_known(struct snap *s, struct tree *t, const struct work_name *e)
{
	const struct work_node *n = e->node;
	enum judge_verdict v;

	if (!n)
		return 0;
	if (is_ignored(s, t, e)) {
		t->is_impure = true;
		return 0;
	}
	v = judge_name(e->text, e->len);
	if (v)
		return leave_out(s, e->text, judge_words(v));
	switch (n->r.mode & S_IFMT) {
	case S_IFDIR:
		return add_dir(s, t, e);
	case S_IFLNK:
		return add_link(s, t, e);
	case S_IFREG:
		if (oid_is_zero(&n->r.oid))
			return add_dirty(s, t, e);
		add(t, e->text, n->r.mode & S_IXUSR ? MODE_EXEC : MODE_FILE, &n->r.oid);
		return 0;
	default:
		return leave_out(s, e->text,
				 S_ISFIFO(n->r.mode) ? "it is a pipe" : "it is a socket");
	}
}

static int add_base(struct snap *s, struct tree *t, const struct tree_entry *e)
{
	if (e->verdict) {
		/* Not whole: under a base without it, it would be gone. */
		t->is_whole = false;
		return leave_out(s, e->name, judge_words(e->verdict));
	}
	add(t, e->name, e->mode, &e->oid);
	return 0;
}

static int write_tree(struct snap *s, struct tree *t, struct oid *ret)
{
	CLEANUP(buf_deinit) struct buf b;
	int r = 0;

	buf_init(&b, TREE_LIMIT);
	if (t->n)
		qsort(t->entries, t->n, sizeof(*t->entries), by_tree_order);
	for (size_t i = 0; i < t->n && !r; i++) {
		r = buf_fmt(&b, "%o ", t->entries[i].mode);
		if (!r)
			r = buf_add(&b, t->entries[i].name, t->entries[i].len + 1);
		if (!r)
			r = buf_add(&b, t->entries[i].oid.id, OID_LEN);
	}
	if (r)
		return fail(r, "write a tree of %zu entries", t->n);
	return pack_add(s->pack, GIT_OBJECT_TREE, b.data, b.len, ret);
}

/* The names of the table, copied: asking what is ignored may make others known. Those that are known stay so, each
 * having a reason that lasts until the lock is given up. */
static int add_table(struct snap *s, struct tree *t, const struct work_node *dir)
{
	const struct work_names *names = dir->kids;
	CLEANUP(free_p)
	struct work_name **all =
		alloc_array(names ? names->n + 1 : 1, sizeof(struct work_name *));
	size_t n = 0;
	int r = 0;

	for (uint32_t i = 0; names && i < names->cap; i++) {
		if (names->slots[i])
			all[n++] = names->slots[i];
	}
	for (size_t i = 0; !r && i < n; i++)
		r = add_known(s, t, all[i]);
	return r;
}

static int fill(struct snap *s, struct tree *t, const struct work_node *dir)
{
	int r = add_table(s, t, dir);

	for (size_t i = 0; !r && !s->is_collecting && t->base && i < t->base->n; i++) {
		const struct tree_entry *e = &t->base->entries[i];

		if (!work_name_find(dir, e->name, e->name_len))
			r = add_base(s, t, e);
	}
	return r;
}

static void note_dir(struct snap *s, struct work_node *dir, const struct oid *tree,
		     const struct tree *t)
{
	alloc_grow(&s->dirs, &s->dirs_cap, s->n_dirs + 1, sizeof(*s->dirs));
	s->dirs[s->n_dirs++] = (struct snap_dir){.node = dir,
						 .tree = *tree,
						 .changes = dir->changes,
						 .is_whole = t->is_whole,
						 .is_impure = t->is_impure};
	dir->holds++;
}

static int walk(struct snap *s, struct work_node *dir, struct oid *ret, bool *whole,
		bool *impure)
{
	struct tree t = {.is_whole = true};
	struct oid tree = dir->r.oid;
	int r = 0;

	if (dir->r.flags & (WORK_MODIFIED | WORK_IMPURE)) {
		tree = (struct oid){{0}};
		r = work_listing(s->w, dir, &t.base);
		if (r > 0)
			r = fail(-EIO, "snapshot a directory that is damaged");
		if (!r)
			r = fill(s, &t, dir);
		if (!r && !s->is_collecting && (t.n || dir == s->w->root))
			r = write_tree(s, &t, &tree);
		if (!r && !s->is_collecting)
			note_dir(s, dir, &tree, &t);
		tree_list_unref(t.base);
		free(t.entries);
	}
	*ret = tree;
	*whole = t.is_whole;
	*impure = t.is_impure;
	return r;
}

int snap_collect(struct snap *s)
{
	struct oid tree;
	bool whole, impure;

	s->is_collecting = true;
	return walk(s, s->w->root, &tree, &whole, &impure);
}

int snap_build(struct snap *s)
{
	bool whole, impure;
	int r;

	s->is_collecting = false;
	r = walk(s, s->w->root, &s->tree, &whole, &impure);
	/* A work tree made of nothing and never written to. */
	if (!r && oid_is_zero(&s->tree))
		r = pack_add(s->pack, GIT_OBJECT_TREE, "", 0, &s->tree);
	return r;
}
