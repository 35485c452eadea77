/* fs/live.c - what `live/` of a project shows, and since when.
 *
 * A move compares the old tree with the new one, so it costs what changed. Under the exclusive lock it
 * stamps each changed path and each directory above it with the present time and gives every
 * such directory that the kernel knows its new tree; after the lock it queues one entry invalidation per changed
 * name whose directory is known, and one inode invalidation per such directory for its listing.
 *
 * Stamps are what makes an unchanged file keep its times while a changed one gets "now", even when its content goes
 * back to what it was. They last as long as the mount; a work tree of its own state replaces them later.
 */
#include "fs/live.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "fs/app.h"
#include "fs/fs_private.h"
#include "fs/inval.h"
#include "fs/node.h"
#include "fs/place.h"
#include "fs/tree_place.h"
#include "store/commit.h"
#include "store/diff.h"
#include "store/tree.h"

enum { STAMPS_MAX = 1 << 20 }; /* 32 MiB; past it everything counts as changed once */

struct stamp {
	struct ident_key key;
	int64_t ns; /* 0: an empty slot */
};

void live_init(struct live *l)
{
	pthread_rwlock_init(&l->lock, NULL);
}

void live_deinit(struct live *l)
{
	free(l->stamps);
	pthread_rwlock_destroy(&l->lock);
}

static struct stamp *stamp_slot(const struct live *l, const struct ident_key *key)
{
	size_t at = key->w[1] & (l->cap_stamps - 1);

	while (l->stamps[at].ns && memcmp(&l->stamps[at].key, key, sizeof(*key)) != 0)
		at = (at + 1) & (l->cap_stamps - 1);
	return &l->stamps[at];
}

static void stamps_grow(struct live *l)
{
	struct live old = *l;

	l->cap_stamps = old.cap_stamps ? old.cap_stamps * 2 : 256;
	l->stamps = alloc_array(l->cap_stamps, sizeof(*l->stamps));
	for (size_t i = 0; i < old.cap_stamps; i++)
		if (old.stamps[i].ns)
			*stamp_slot(l, &old.stamps[i].key) = old.stamps[i];
	free(old.stamps);
}

static void stamp_put(struct live *l, const struct ident_key *key, int64_t ns)
{
	struct stamp *s;

	if (l->n_stamps >= STAMPS_MAX) {
		free(l->stamps);
		l->stamps = NULL;
		l->n_stamps = l->cap_stamps = 0;
		l->floor_ns = ns;
	}
	if ((l->n_stamps + 1) * 4 > l->cap_stamps * 3)
		stamps_grow(l);
	s = stamp_slot(l, key);
	if (!s->ns)
		l->n_stamps++;
	*s = (struct stamp){*key, ns};
}

int64_t live_stamp_locked(const struct live *l, const struct ident_key *key)
{
	int64_t ns = l->cap_stamps ? stamp_slot(l, key)->ns : 0;

	return ns ? ns : l->floor_ns;
}

/* Tree and time of what HEAD points at; zeros while it is unborn or its commit is missing. */
static int head_of(struct project *p, struct live *ret)
{
	struct project_head head;
	struct commit *c = NULL;
	int r = project_head(p, &head);

	if (r < 0)
		return r;
	if (r == PROJECT_GONE)
		return -EIO;
	if (oid_is_zero(&head.commit))
		return 0;
	r = commit_read(p, &head.commit, &c);
	if (r < 0)
		return r;
	if (r == COMMIT_MISSING)
		return fail(-EIO, "project '%s': HEAD's commit is missing", project_name(p));
	ret->commit = c->id;
	ret->tree = c->tree;
	ret->time = c->committer.time;
	commit_free(c);
	return 0;
}

static bool is_loaded(struct live *l)
{
	bool ret;

	pthread_rwlock_rdlock(&l->lock);
	ret = l->loaded;
	pthread_rwlock_unlock(&l->lock);
	return ret;
}

int live_load(struct app *app, struct project *p)
{
	struct live *l = &app->live, now = {0};
	int r = 0;

	if (is_loaded(l))
		return 0;
	/* HEAD is read under the lock: if it moves now, the follower comes after us and sees it. */
	pthread_rwlock_wrlock(&l->lock);
	if (!l->loaded)
		r = head_of(p, &now);
	if (!r && !l->loaded) {
		l->commit = now.commit;
		l->tree = now.tree;
		l->time = now.time;
		l->loaded = true;
	}
	pthread_rwlock_unlock(&l->lock);
	return r;
}

/* One move of live/, while it is being prepared and carried out. */
struct move {
	struct fs *fs;
	struct app *app;
	struct project *project;
	struct ident root;
	struct oid old_tree, new_tree;
	int64_t now_ns;
	struct inval_item *items;
	size_t n_items, cap_items;
	char last_dir[4096]; /* of the previous change: its directories are done */
};

static void queue(struct move *m, const struct inval_item *item)
{
	alloc_grow(&m->items, &m->cap_items, m->n_items + 1, sizeof(*m->items));
	m->items[m->n_items++] = *item;
}

static void queue_name(struct move *m, uint64_t dir, const char *name, size_t len)
{
	struct inval_item item = {
		.kind = INVAL_ENTRY, .id = dir, .name = alloc_copy(name, len)};

	queue(m, &item);
}

static bool is_tree(struct move *m, const struct oid *root, const char *path, struct oid *ret)
{
	struct tree_entry e;

	if (oid_is_zero(root) || tree_lookup(m->project, root, path, &e) || e.mode != MODE_TREE)
		return false;
	*ret = e.oid;
	return true;
}

/* The directory `path` lies above a change: stamps it, and moves its node to the new tree. */
static void move_dir(struct move *m, const struct ident *ident, const char *path)
{
	struct live *l = &m->app->live;
	struct node *n = node_find(m->fs->nodes, &ident->key);
	struct inval_item item = {.kind = INVAL_INODE};
	struct oid tree = {0};
	bool there = is_tree(m, &m->new_tree, path, &tree);

	stamp_put(l, &ident->key, m->now_ns);
	if (!n)
		return;
	n->mtime = m->now_ns / 1000000000;
	n->mtime_ns = (uint32_t)(m->now_ns % 1000000000);
	if (there || !*path)
		n->oid = tree;
	item.id = n->id;
	queue(m, &item);
	node_put(m->fs->nodes, n);
}

/* A directory that is one in both trees keeps its name; any other change of it is seen at its parent. */
static bool name_stays(struct move *m, const char *path)
{
	struct oid a, b;

	return is_tree(m, &m->old_tree, path, &a) && is_tree(m, &m->new_tree, path, &b);
}

/* Whether `dir` was met with the previous change already. */
static bool was_met(const struct move *m, const char *dir, size_t len)
{
	size_t last = strlen(m->last_dir);

	return last >= len && strncmp(m->last_dir, dir, len) == 0 &&
	       (m->last_dir[len] == '/' || !m->last_dir[len]);
}

/* Below the directory `path[0..at)` of identity `dir`: handles the component that starts at `at`. */
static struct ident move_step(struct move *m, const struct ident *dir, const char *path,
			      size_t at)
{
	const char *name = path + at, *slash = strchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : strlen(name);
	struct ident child = ident_child(&m->fs->secret, dir, name, len);
	struct node *parent;
	char upto[4096];

	snprintf(upto, sizeof(upto), "%.*s", (int)(at + len), path);
	if (slash && was_met(m, upto, at + len))
		return child;
	if (slash)
		move_dir(m, &child, upto);
	else
		stamp_put(&m->app->live, &child.key, m->now_ns);
	if (slash && name_stays(m, upto))
		return child;
	parent = node_find(m->fs->nodes, &dir->key);
	if (parent)
		queue_name(m, parent->id, name, len);
	node_put(m->fs->nodes, parent);
	return child;
}

static int move_change(const struct diff_change *c, void *arg)
{
	struct move *m = arg;
	struct ident at = m->root;
	const char *slash;

	if (!m->n_items)
		move_dir(m, &m->root, "");
	for (size_t from = 0;;) {
		at = move_step(m, &at, c->path, from);
		slash = strchr(c->path + from, '/');
		if (!slash)
			break;
		from = (size_t)(slash - c->path) + 1;
	}
	slash = strrchr(c->path, '/');
	snprintf(m->last_dir, sizeof(m->last_dir), "%.*s", slash ? (int)(slash - c->path) : 0,
		 c->path);
	return 0;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

static int carry_out(struct move *m, const struct live *now)
{
	struct live *l = &m->app->live;
	int r;

	pthread_rwlock_wrlock(&l->lock);
	r = diff_trees(m->project, &m->old_tree, &m->new_tree, move_change, m);
	if (r >= 0) {
		l->commit = now->commit;
		l->tree = now->tree;
		l->time = m->now_ns / 1000000000;
	}
	pthread_rwlock_unlock(&l->lock);
	if (r > 0)
		r = fail(-EIO, "project '%s': compare live/ with HEAD", m->app->name);
	return r;
}

int live_follow(struct fs *fs, struct app *app, struct project *p, bool *moved)
{
	struct move m = {.fs = fs, .app = app, .project = p, .now_ns = now_ns()};
	struct live now = {0};
	int r;

	*moved = false;
	if (!is_loaded(&app->live))
		return 0;
	r = head_of(p, &now);
	if (r)
		return r;
	*moved = !oid_eq(&now.commit, &app->live.commit);
	m.old_tree = app->live.tree;
	m.new_tree = now.tree;
	m.root = tree_place_live_ident(fs, app);
	r = oid_eq(&m.old_tree, &m.new_tree) && !*moved ? 0 : carry_out(&m, &now);
	inval_queue(fs->inval, m.items, m.n_items);
	free(m.items);
	return r;
}
