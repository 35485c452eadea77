/* The content becomes another tree's.
 *
 * Directory by directory, the base tree, what lies over it and the target are compared name by name. A directory that is
 * unmodified and whose tree is the target's is not entered, so the cost is what changed and the lists of the
 * directories on the way. What stays the same needs no record: the base under it is exchanged. A file that changed becomes an
 * explicit inode with a new number, a new subtree a single record.
 *
 * Everything is staged as one transaction, so a kill leaves the old tree or the new one. What was replaced and is held lives on
 * as an orphan: a writer that raced the switch goes on writing to the file it opened.
 *
 * Ignored things that no tree has stay, and so do the directories they are in; git does the same. They give way to what
 * the target has under their name.
 */
#include "store/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/gitignore.h"
#include "base/judge.h"
#include "store/project.h"
#include "store/tree_private.h"
#include "store/work_private.h"

enum { PATH_LIMIT = 1 << 16 };

struct event {
	uint64_t dir;
	char *name; /* NULL: the directory itself */
};

struct job {
	struct work *w;
	struct work_txn t;
	struct gitignore *ig;
	struct buf
		path; /* of the directory at work, with a slash behind it unless it is the root */
	struct event *events;
	size_t n_events, events_cap;
	struct work_node **pins; /* nodes that the job holds */
	size_t n_pins, pins_cap;
};

/* A directory at work. */
struct place {
	struct work_node *dir;
	const struct tree_list *base, *target; /* NULL: empty */
	int32_t subdirs;                       /* how many more there are than before */
	bool changed, impure;
};

/* One name of it: what is there and what is to be. */
struct spot {
	const char *name;
	const struct work_name *known;
	const struct tree_entry *base, *target;
};

static int switch_dir(struct job *j, struct work_node *dir, const struct oid *tree);
static int remove_dir(struct job *j, struct work_node *dir, bool force, bool *kept);

/* ---- the job's own ---- */

static void add_event(struct job *j, const struct work_node *dir, const char *name)
{
	alloc_grow(&j->events, &j->events_cap, j->n_events + 1, sizeof(*j->events));
	j->events[j->n_events++] = (struct event){dir->r.ino, alloc_str(name)};
}

static void pin(struct job *j, struct work_node *n)
{
	alloc_grow(&j->pins, &j->pins_cap, j->n_pins + 1, sizeof(struct work_node *));
	j->pins[j->n_pins++] = n;
	n->holds++;
}

static void job_deinit(struct job *j)
{
	for (size_t i = 0; i < j->n_pins; i++) {
		j->pins[i]->holds--;
		work_node_settle(j->w, j->pins[i]);
	}
	for (size_t i = 0; i < j->n_events; i++)
		free(j->events[i].name);
	free(j->events);
	free(j->pins);
	buf_deinit(&j->path);
}

static int enter(struct job *j, const char *name, size_t *was)
{
	int r;

	*was = j->path.len;
	r = buf_str(&j->path, name);
	if (!r)
		r = buf_str(&j->path, "/");
	return r ? fail(r, "switch a work tree with a path too long") : 0;
}

static void leave(struct job *j, size_t was)
{
	if (j->path.len <= was)
		return;
	j->path.len = was;
	j->path.data[was] = '\0';
}

static int is_ignored(struct job *j, const char *name, bool is_dir, bool *ret)
{
	size_t was = j->path.len;
	int r;

	*ret = false;
	if (!j->ig)
		return 0;
	r = buf_str(&j->path, name);
	if (r)
		return fail(r, "switch a work tree with a path too long");
	*ret = gitignore_match(j->ig, j->path.data, is_dir);
	leave(j, was);
	return 0;
}

static int list_tree(struct job *j, const struct oid *tree, const struct tree_list **ret)
{
	int r = oid_is_zero(tree) ? 0 : tree_list(j->w->project, tree, ret);

	return r > 0 ? fail(-EIO, "switch to a tree that is missing or damaged") : r;
}

/* ---- taking away ---- */

static bool is_tree_entry(const struct tree_entry *e)
{
	return e && !e->verdict && (e->mode == MODE_TREE || e->mode == MODE_GITLINK);
}

/* Whether the name is a directory now. */
static bool is_dir_now(const struct spot *c)
{
	return c->known ? c->known->node && work_is_dir(c->known->node)
			: is_tree_entry(c->base);
}

/* An inode loses this name. */
static void lose(struct job *j, struct work_node *dir, const struct work_name *e)
{
	struct work_node *n = e->node;
	uint32_t nlink = n->staged ? n->staged->nlink : n->r.nlink;

	work_txn_drop(&j->t, dir, e->text);
	add_event(j, dir, e->text);
	pin(j, n);
	n->changes++;
	if (work_is_dir(n) || nlink <= 1) {
		if (n->staged)
			n->staged->nlink = 0;
		work_txn_gone(&j->t, n);
		return;
	}
	work_txn_rec(&j->t, n)->nlink--;
	n->staged->ctime = j->t.now;
}

/* Takes away what a known name means. `kept`: ignored things hold the directory. */
static int remove_known(struct job *j, struct work_node *dir, const struct work_name *e,
			bool force, bool *kept)
{
	size_t was;
	int r;

	*kept = false;
	if (!e->node)
		return 0;
	if (work_is_dir(e->node)) {
		r = enter(j, e->text, &was);
		if (!r)
			r = remove_dir(j, e->node, force, kept);
		leave(j, was);
		if (r || *kept)
			return r;
	}
	lose(j, dir, e);
	return 0;
}

/* Names of a directory's table: a copy, since asking what is ignored may make others known. */
static struct work_name **names_of(const struct work_node *dir, uint32_t *n)
{
	const struct work_names *t = dir->kids;
	struct work_name **all = alloc_array(t ? t->n + 1 : 1, sizeof(struct work_name *));

	*n = 0;
	for (uint32_t i = 0; t && i < t->cap; i++) {
		if (!t->slots[i])
			continue;
		all[(*n)++] = t->slots[i];
		if (t->slots[i]->node)
			t->slots[i]->node->holds++;
	}
	return all;
}

static void names_done(struct job *j, struct work_name **all, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct work_node *node = all[i]->node;

		if (!node)
			continue;
		pin(j, node);
		node->holds--;
	}
	free(all);
}

static int stays(struct job *j, const struct work_name *e, const struct tree_list *base,
		 bool force, bool *ret)
{
	*ret = false;
	if (force || !e->node || (base && tree_list_find(base, e->text)))
		return 0;
	return is_ignored(j, e->text, work_is_dir(e->node), ret);
}

/* What is left is a directory that no tree has, with nothing but ignored things. */
static void keep_dir(struct job *j, struct work_node *dir, uint32_t subdirs)
{
	struct work_rec *r = work_txn_rec(&j->t, dir);

	r->oid = (struct oid){{0}};
	r->flags = (r->flags & ~(uint32_t)(WORK_MODIFIED | WORK_GITLINK)) | WORK_IMPURE;
	r->nlink = 2 + subdirs;
	r->mtime = r->ctime = j->t.now;
	dir->changes++;
	add_event(j, dir, NULL);
}

static int remove_dir(struct job *j, struct work_node *dir, bool force, bool *kept)
{
	const struct tree_list *base = NULL;
	uint32_t n, subdirs = 0;
	struct work_name **all = names_of(dir, &n);
	int r = work_listing(j->w, dir, &base);

	*kept = false;
	if (!(dir->r.flags & (WORK_MODIFIED | WORK_IMPURE)))
		force = true; /* holds what its tree holds, and that is to go */
	for (uint32_t i = 0; !r && i < n; i++) {
		bool stay = false, below = false;

		r = stays(j, all[i], base, force, &stay);
		if (!r && !stay)
			r = remove_known(j, dir, all[i], force, &below);
		if (!r && !all[i]->node)
			work_txn_drop(&j->t, dir, all[i]->text);
		if (stay || below) {
			*kept = true;
			subdirs += work_is_dir(all[i]->node);
		}
	}
	names_done(j, all, n);
	tree_list_unref(base);
	if (!r && *kept)
		keep_dir(j, dir, subdirs);
	return r;
}

/* ---- making ---- */

static int add_new(struct job *j, struct place *p, const struct spot *c)
{
	struct work_rec clean, *r;
	uint32_t subdirs = 0;
	uint64_t ino;

	if (c->target->verdict) {
		/* Shown out of the base, and refused there as ever. */
		if (c->known)
			work_txn_drop(&j->t, p->dir, c->name);
		return 0;
	}
	if (c->target->mode == MODE_TREE) {
		int e = work_count_dirs(j->w, &c->target->oid, &subdirs);

		if (e)
			return e < 0 ? e : fail(-EIO, "switch to a tree that is damaged");
	}
	work_clean_rec(j->w, p->dir, c->target, &clean);
	r = work_txn_new(&j->t);
	ino = r->ino;
	*r = clean;
	r->ino = ino;
	r->atime = r->mtime = r->ctime = j->t.now;
	r->nlink += subdirs;
	if (is_tree_entry(c->target))
		r->size = (uint64_t)j->t.now;
	work_txn_name(&j->t, p->dir, c->name, ino);
	return 0;
}

/* ---- one name ---- */

static bool is_exec(uint32_t mode)
{
	return mode & S_IXUSR;
}

/* Whether a known inode is what the target has. */
static bool is_target(const struct work_node *n, const struct tree_entry *t)
{
	if (t->verdict || !oid_eq(&n->r.oid, &t->oid))
		return false;
	switch (t->mode) {
	case MODE_LINK:
		return S_ISLNK(n->r.mode);
	case MODE_FILE:
	case MODE_EXEC:
		return S_ISREG(n->r.mode) && is_exec(n->r.mode) == (t->mode == MODE_EXEC);
	case MODE_GITLINK:
		return n->r.flags & WORK_GITLINK;
	default:
		return false; /* directories are entered */
	}
}

/* The name goes: the target does not have it. Unless it means something ignored, or holds that. */
static int settle_gone(struct job *j, struct place *p, const struct spot *c)
{
	bool stay = false, kept = false;
	int r = 0;

	if (c->known && !c->known->node) {
		work_txn_drop(&j->t, p->dir, c->name);
		return 0;
	}
	if (c->known) {
		r = stays(j, c->known, p->base, false, &stay);
		if (!r && !stay)
			r = remove_known(j, p->dir, c->known, false, &kept);
	} else {
		add_event(j, p->dir, c->name); /* goes with the base */
	}
	if (r)
		return r;
	if (stay || kept) {
		p->impure = true;
		return 0;
	}
	p->subdirs -= is_dir_now(c);
	p->changed = true;
	return 0;
}

/* Both are directories of the same sort. */
static int settle_dir(struct job *j, struct place *p, const struct spot *c)
{
	struct work_node *n = c->known ? c->known->node : NULL;
	size_t was;
	int r = 0;

	if (!n && oid_eq(&c->base->oid, &c->target->oid))
		return 0;
	if (!n)
		r = work_derived(j->w, p->dir, c->base, &n);
	if (r)
		return r < 0 ? r : fail(-EIO, "switch a directory that is damaged");
	pin(j, n);
	if (n->r.flags & WORK_GITLINK) {
		if (!oid_eq(&n->r.oid, &c->target->oid))
			work_txn_rec(&j->t, n)->oid = c->target->oid;
		return 0;
	}
	r = enter(j, c->name, &was);
	if (!r)
		r = switch_dir(j, n, &c->target->oid);
	leave(j, was);
	p->impure |= ((n->staged ? n->staged : &n->r)->flags & WORK_IMPURE) != 0;
	return r;
}

static bool is_same_sort_of_dir(const struct spot *c)
{
	bool is_link;

	if (!is_dir_now(c) || !is_tree_entry(c->target))
		return false;
	is_link = c->known ? (c->known->node->r.flags & WORK_GITLINK) != 0
			   : c->base->mode == MODE_GITLINK;
	return is_link == (c->target->mode == MODE_GITLINK);
}

static int settle(struct job *j, struct place *p, const struct spot *c)
{
	const struct work_node *n = c->known ? c->known->node : NULL;
	bool kept;
	int r = 0;

	if (!c->target)
		return settle_gone(j, p, c);
	if (is_same_sort_of_dir(c))
		return settle_dir(j, p, c);
	if (n && is_target(n, c->target))
		return 0;
	p->subdirs += is_tree_entry(c->target) - is_dir_now(c);
	p->changed = true;
	if (n)
		r = remove_known(j, p->dir, c->known, true, &kept);
	else
		add_event(j, p->dir, c->name);
	return r ? r : add_new(j, p, c);
}

/* ---- one directory ---- */

static int settle_entry(struct job *j, struct place *p, const struct tree_entry *base,
			const struct tree_entry *target)
{
	const char *name = base ? base->name : target->name;
	struct spot c = {.name = name, .base = base, .target = target};

	if (p->dir->kids)
		c.known = work_name_find(p->dir, name, strlen(name));
	if (!c.known && base && target && base->mode == target->mode &&
	    oid_eq(&base->oid, &target->oid))
		return 0;
	return settle(j, p, &c);
}

static const struct tree_entry *find_in(const struct tree_list *l, const char *name)
{
	return l ? tree_list_find(l, name) : NULL;
}

static int order(const struct tree_entry *a, const struct tree_entry *b)
{
	if (!a || !b)
		return a ? -1 : 1;
	return tree_name_order(a->name, a->name_len, tree_mode_is_tree(a->mode), b->name,
			       b->name_len, tree_mode_is_tree(b->mode));
}

/* The names that the base or the target has. A name that changed its sort stands at two places; it is settled
 * at the base's. */
static int settle_listed(struct job *j, struct place *p)
{
	size_t a = 0, b = 0, n = p->base ? p->base->n : 0, m = p->target ? p->target->n : 0;
	int r = 0;

	while (!r && (a < n || b < m)) {
		const struct tree_entry *x = a < n ? &p->base->entries[a] : NULL;
		const struct tree_entry *y = b < m ? &p->target->entries[b] : NULL;
		int c = order(x, y);

		if (!c) {
			r = settle_entry(j, p, x, y);
			a++;
			b++;
		} else if (c < 0) {
			r = settle_entry(j, p, x, find_in(p->target, x->name));
			a++;
		} else {
			if (!find_in(p->base, y->name))
				r = settle_entry(j, p, NULL, y);
			b++;
		}
	}
	return r;
}

/* The names that neither has. */
static int settle_others(struct job *j, struct place *p)
{
	uint32_t n;
	struct work_name **all = names_of(p->dir, &n);
	int r = 0;

	for (uint32_t i = 0; !r && i < n; i++) {
		struct spot c = {.name = all[i]->text, .known = all[i]};

		if (!find_in(p->base, c.name) && !find_in(p->target, c.name))
			r = settle(j, p, &c);
	}
	names_done(j, all, n);
	return r;
}

static void finish_dir(struct job *j, const struct place *p, const struct oid *tree)
{
	struct work_rec *r = work_txn_rec(&j->t, p->dir);

	p->dir->changes++;
	r->oid = *tree;
	r->flags &= ~(uint32_t)(WORK_MODIFIED | WORK_IMPURE);
	if (p->impure)
		r->flags |= WORK_IMPURE;
	r->nlink += (uint32_t)p->subdirs;
	if (!p->changed)
		return;
	r->mtime = r->ctime = j->t.now;
	add_event(j, p->dir, NULL);
}

static int switch_dir(struct job *j, struct work_node *dir, const struct oid *tree)
{
	struct place p = {.dir = dir};
	int r;

	if (!(dir->r.flags & WORK_MODIFIED) && oid_eq(&dir->r.oid, tree))
		return 0;
	r = work_listing(j->w, dir, &p.base);
	if (r > 0)
		r = fail(-EIO, "switch a directory that is damaged");
	if (!r)
		r = list_tree(j, tree, &p.target);
	if (!r)
		r = settle_listed(j, &p);
	if (!r && dir->kids)
		r = settle_others(j, &p);
	if (!r)
		finish_dir(j, &p, tree);
	tree_list_unref(p.base);
	tree_list_unref(p.target);
	return r;
}

static void note(const struct job *j)
{
	for (size_t i = 0; i < j->n_events; i++) {
		const struct work_node *dir = work_node_find(j->w, j->events[i].dir);

		if (dir && j->events[i].name)
			work_note(j->w, dir, j->events[i].name);
	}
}

int work_switch(struct work *w, const struct oid *tree, struct gitignore *ig,
		work_moved_fn moved, void *arg)
{
	struct job j = {.w = w, .ig = ig};
	int r;

	buf_init(&j.path, PATH_LIMIT);
	pthread_mutex_lock(&w->lock);
	work_txn_init(&j.t, w);
	j.t.base = tree;
	r = switch_dir(&j, w->root, tree);
	if (!r)
		r = work_txn_commit(&j.t);
	if (!r)
		note(&j);
	work_txn_deinit(&j.t);
	pthread_mutex_unlock(&w->lock);
	if (!r) {
		r = work_log_sync(w);
		for (size_t i = 0; moved && i < j.n_events; i++)
			moved(j.events[i].dir, j.events[i].name, arg);
	}
	pthread_mutex_lock(&w->lock);
	job_deinit(&j);
	pthread_mutex_unlock(&w->lock);
	work_dig(w, false);
	if (!r)
		work_tell(w);
	return r;
}
