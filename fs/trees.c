/* fs/trees.c - the work trees this daemon has open.
 *
 * They are found by number, not by name: a project that was renamed has two apps for a while, and both must come to
 * the same open tree.
 *
 * An open tree costs a few descriptors and the memory of what was changed in it. The kernel would remember ten thousand of them
 * as happily as one, so past MANY the one that was opened first is taken out of its memory: unless somebody is in
 * there it then forgets all of it, and the tree is closed.
 *
 * One lock is held from looking for a tree until it is open, which makes the first look into `live` of a
 * thousand projects at once a queue; each is a few small writes, once in the life of a project.
 */
#include "fs/trees.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "fs/app.h"
#include "fs/fs_private.h"
#include "fs/git_home.h"
#include "fs/inval.h"
#include "fs/moves.h"
#include "fs/place.h"
#include "store/checkout.h"
#include "store/project.h"
#include "store/work_session.h"
#include "store/worktree.h"

enum { MANY = 64 };

struct tree {
	struct work *work; /* referenced */
	struct app *app;   /* the one it was opened by; referenced */
};

struct trees {
	pthread_mutex_t lock;
	struct tree *items; /* in the order of opening */
	size_t n, cap;
};

struct trees *trees_new(void)
{
	struct trees *t = alloc_zero(sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	return t;
}

static void tree_close(struct tree *tree)
{
	work_unref(tree->work);
	app_unref(tree->app);
}

void trees_free(struct trees *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		tree_close(&t->items[i]);
	free(t->items);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static size_t find_locked(const struct trees *t, uint64_t id)
{
	size_t i = 0;

	while (i < t->n && work_info(t->items[i].work)->id != id)
		i++;
	return i;
}

static int words(struct app *app, const char *name, int r)
{
	switch ((enum work_outcome)r) {
	case WORK_MISSING:
	case WORK_BAD_NAME:
		return PLACE_NO_ENTRY;
	case WORK_HELD:
		return fail(-EIO, "project '%s': work tree '%s' is open in another process",
			    app->name, name);
	case WORK_NEWER:
		return fail(-EIO, "project '%s': work tree '%s' was written by a newer version",
			    app->name, name);
	case WORK_EXISTS:
		break;
	}
	return fail(-EIO, "project '%s': open work tree '%s'", app->name, name);
}

static void take_out_locked(struct trees *t, size_t at)
{
	struct tree tree = t->items[at];

	t->n--;
	memmove(t->items + at, t->items + at + 1, (t->n - at) * sizeof(*t->items));
	tree_close(&tree);
}

void trees_settle(struct fs *fs)
{
	struct trees *t = fs->trees;

	/* References are taken under this lock, or by who has one: ours alone stays alone. */
	LOCKED(&t->lock);
	for (size_t i = t->n; i-- > 0;)
		if (work_refs(t->items[i].work) == 1)
			take_out_locked(t, i);
}

/* The kernel forgets what it knows of the tree, as far as nobody uses it. */
static void let_go_locked(struct fs *fs, const struct tree *tree)
{
	const char *name = work_info(tree->work)->name;
	struct ident dir = app_ident(fs, tree->app);
	struct inval_item item = {.kind = INVAL_ENTRY};
	struct node *n;

	if (strcmp(name, TREES_LIVE) != 0)
		dir = ident_child(&fs->secret, &dir, "work", 4);
	n = node_find(fs->nodes, &dir.key);
	if (!n)
		return;
	item.id = n->id;
	item.name = alloc_str(name);
	inval_queue(fs->inval, &item, 1);
	node_put(fs->nodes, n);
}

static void edited(struct work *w, void *arg)
{
	struct fs *fs = arg;

	if (fs->on_edit && !strcmp(work_info(w)->name, TREES_LIVE))
		fs->on_edit(project_name(work_project(w)), fs->on_edit_arg);
}

static int open_locked(struct fs *fs, struct app *app, struct project *p,
		       const struct work_info *info, struct work **ret)
{
	struct trees *t = fs->trees;
	size_t at = find_locked(t, info->id);
	struct work *w;
	int r;

	if (at == t->n) {
		r = work_open(p, info, &w);
		if (r)
			return r > 0 ? words(app, info->name, r) : r;
		git_home_prepare(fs, app, w);
		work_on_change(w, edited, fs);
		alloc_grow(&t->items, &t->cap, t->n + 1, sizeof(*t->items));
		t->items[t->n++] = (struct tree){w, app_ref(app)};
		if (t->n > MANY)
			let_go_locked(fs, &t->items[t->n % MANY]);
	}
	*ret = work_ref(t->items[at].work);
	return 0;
}

static int make_live(struct fs *fs, struct project *p, struct work_info *ret)
{
	struct work_spec spec = {.name = TREES_LIVE, .uid = fs->uid, .gid = fs->gid};
	struct project_head head;
	int r = project_head(p, &head);

	if (!r)
		r = worktree_tree_of(p, &head.commit, &spec.tree);
	if (r)
		return r < 0 ? r
			     : fail(-EIO, "project '%s': HEAD's commit is missing",
				    project_name(p));
	return work_create(p, &spec, ret);
}

static int get_locked(struct fs *fs, struct app *app, struct project *p, const char *name,
		      struct work **ret)
{
	struct work_info info;
	int r = work_find(p, name, &info);

	if (r == WORK_MISSING && !strcmp(name, TREES_LIVE))
		r = make_live(fs, p, &info);
	if (r)
		return r > 0 ? words(app, name, r) : r;
	return open_locked(fs, app, p, &info, ret);
}

int trees_get(struct fs *fs, struct app *app, const char *name, struct work **ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	CLEANUP(work_unrefp) struct work *w = NULL;
	int r = app_use(fs, app, &p);

	if (r)
		return r;
	pthread_mutex_lock(&fs->trees->lock);
	r = get_locked(fs, app, p, name, &w);
	pthread_mutex_unlock(&fs->trees->lock);
	if (!r)
		*ret = TAKE(w);
	return r;
}

/* The open trees of a project, each referenced: a malloc'ed array of `*n`. */
static struct work **open_ones(struct trees *t, uint64_t project, size_t *n)
{
	struct work **ret;

	LOCKED(&t->lock);
	ret = alloc_array(t->n + 1, sizeof(struct work *));
	*n = 0;
	for (size_t i = 0; i < t->n; i++)
		if (work_info(t->items[i].work)->project_id == project)
			ret[(*n)++] = work_ref(t->items[i].work);
	return ret;
}

static void follow(struct fs *fs, struct work *w)
{
	CLEANUP(moves_endp) struct moves *m = moves_begin(fs, w);

	/* A fault was said; the next event tries again. */
	(void)checkout_follow(w, moves_add, m);
}

void trees_follow(struct fs *fs, struct project *p)
{
	size_t n;
	struct work **all = open_ones(fs->trees, project_id(p), &n);

	for (size_t i = 0; i < n; i++) {
		follow(fs, all[i]);
		work_unref(all[i]);
	}
	free(all);
	if (n)
		trees_settle(fs);
}

/* What `live` holds now, as a tree of git. 0, WORKTREE_GONE, or a fault. */
static int tree_of_live(struct fs *fs, struct app *app, struct oid *ret)
{
	CLEANUP(work_unrefp) struct work *live = NULL;
	CLEANUP(worktree_end) struct worktree t = {0};
	int r = trees_get(fs, app, TREES_LIVE, &live);

	if (!r)
		r = worktree_begin(live, &t);
	if (!r)
		r = worktree_snapshot(&t);
	if (!r)
		*ret = t.op.before.tree;
	return r;
}

int trees_make(struct fs *fs, struct app *app, const char *name, const struct work_caller *who,
	       struct work **ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct oid tree;
	struct work_session_spec spec = {
		.name = name, .tree = &tree, .uid = who->uid, .gid = who->gid};
	struct work_info info;
	int r = app_use(fs, app, &p);

	if (!strcmp(name, TREES_LIVE))
		return EEXIST;
	if (!r)
		r = tree_of_live(fs, app, &tree);
	if (r)
		return r < 0 ? r : ENOENT;
	r = work_session_create(p, &spec, &info);
	if (r == WORK_EXISTS)
		return EEXIST;
	if (r == WORK_BAD_NAME)
		return EINVAL;
	if (!r)
		r = trees_get(fs, app, name, ret);
	return r > 0 ? EBUSY : r;
}

/* Out of the table, with its reference; NULL when it is not open. */
static struct work *take_out(struct trees *t, uint64_t id)
{
	struct work *ret = NULL;
	size_t at;

	LOCKED(&t->lock);
	at = find_locked(t, id);
	if (at == t->n)
		return NULL;
	ret = work_ref(t->items[at].work);
	take_out_locked(t, at);
	return ret;
}

int trees_drop(struct fs *fs, struct app *app, const char *name)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	CLEANUP(work_unrefp) struct work *w = NULL;
	struct work_info info;
	int r = app_use(fs, app, &p);

	/* Open, so that what was never committed can be kept. */
	if (!r)
		r = trees_get(fs, app, name, &w);
	if (r)
		return r < 0 ? r : ENOENT;
	info = *work_info(w);
	work_unref(TAKE(w));
	r = work_session_remove(p, name, take_out(fs->trees, info.id));
	return r > 0 ? ENOENT : r;
}
