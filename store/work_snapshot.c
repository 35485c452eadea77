/* The content as a tree of git, while writers go on.
 *
 * Three steps. The modified directories are walked and their dirty files hashed, one at a time, each standing still while it
 * is read. Then, under the lock, trees are built bottom-up from what was hashed; what became dirty in between is hashed there.
 * The objects go out as one pack, synced. At last what has not changed meanwhile is called clean: every change counts up at
 * its inode and at all directories above it, so "not changed" is one comparison.
 *
 * Native bytes stay beside the blob they became, so the next write copies nothing.
 */
#include "store/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/gitignore.h"
#include "base/judge.h"
#include "store/blob.h"
#include "store/pack.h"
#include "store/project.h"
#include "store/work_private.h"
#include "store/work_snap.h"

/* ---- hashing ---- */

static int read_native(struct work *w, uint64_t ino, size_t size, char **ret)
{
	CLEANUP(free_p) char *data = malloc(size + 1);
	struct work_fd *d = NULL;
	size_t at = 0;
	int r = data ? work_fd_get(w, ino, false, &d) : -ENOMEM;

	if (r)
		return r == -ENOMEM ? fail(r, "read a file of %zu bytes", size) : r;
	while (!r && at < size) {
		ssize_t n = pread(work_fd_of(d), data + at, size - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			r = fail(n ? -errno : -EIO, "read a file of work tree '%s'",
				 w->info.name);
		else
			at += (size_t)n;
	}
	work_fd_put(w, d);
	if (!r)
		*ret = TAKE(data);
	return r;
}

/* How many bytes a file has; lock held. */
static int size_of(struct snap *s, const struct work_node *n, size_t *ret)
{
	struct work_rec now;
	uint64_t blocks;
	int r = work_current(s->w, n, &now, &blocks);

	if (r)
		return r;
	*ret = (size_t)now.size;
	return now.size > BLOB_SIZE_MAX ? SNAP_TOO_LARGE : 0;
}

int snap_hash_locked(struct snap *s, struct work_node *n, struct snap_file *ret)
{
	CLEANUP(free_p) char *data = NULL;
	size_t len = 0;
	int r = size_of(s, n, &len);

	ret->node = n;
	ret->changes = n->changes;
	if (!r && len)
		r = read_native(s->w, n->r.ino, len, &data);
	return r ? r : pack_add(s->pack, GIT_OBJECT_BLOB, data ? data : "", len, &ret->oid);
}

/* One dirty file; the lock is given up while it is read and compressed. */
static int hash_file(struct snap *s, struct snap_file *f)
{
	CLEANUP(free_p) char *data = NULL;
	struct work *w = s->w;
	struct work_node *n = f->node;
	const uint64_t ino = n->r.ino;
	size_t len = 0;
	int r;

	while (n->n_writers || n->copying || n->still)
		pthread_cond_wait(&w->moved, &w->lock);
	if (!oid_is_zero(&n->r.oid))
		return 0; /* somebody made it clean, by a copied reference */
	r = size_of(s, n, &len);
	f->is_too_large = r == SNAP_TOO_LARGE;
	if (r)
		return f->is_too_large ? 0 : r;
	n->still = true;
	f->changes = n->changes;
	pthread_mutex_unlock(&w->lock);
	if (len)
		r = read_native(w, ino, len, &data);
	pthread_mutex_lock(&w->lock);
	n->still = false;
	pthread_cond_broadcast(&w->moved);
	if (r)
		return r;
	pthread_mutex_unlock(&w->lock);
	r = pack_add(s->pack, GIT_OBJECT_BLOB, data ? data : "", len, &f->oid);
	pthread_mutex_lock(&w->lock);
	f->is_hashed = !r;
	return r;
}

static int hash_files(struct snap *s)
{
	int r = 0;

	for (size_t i = 0; !r && i < s->n_files; i++)
		r = hash_file(s, &s->files[i]);
	return r;
}

/* ---- calling things clean ---- */

static int settle_file(struct work_txn *t, const struct snap_file *f)
{
	struct work_node *n = f->node;
	struct work_rec now, *r;
	uint64_t blocks;
	int e;

	if (!f->is_hashed || n->is_orphan || n->changes != f->changes || n->n_writers ||
	    n->copying)
		return 0;
	e = work_current(t->w, n, &now, &blocks);
	if (e)
		return e;
	r = work_txn_rec(t, n);
	r->oid = f->oid;
	r->size = now.size;
	r->atime = now.atime;
	r->mtime = now.mtime;
	r->ctime = now.ctime;
	return 0;
}

static void settle_dir(struct work_txn *t, const struct snap_dir *d)
{
	const struct work_names *names = d->node->kids;
	struct work_rec *r;

	if (!d->is_whole || d->node->is_orphan || d->node->changes != d->changes)
		return;
	r = work_txn_rec(t, d->node);
	r->oid = d->tree;
	r->flags &= ~(uint32_t)(WORK_MODIFIED | WORK_IMPURE);
	if (d->is_impure)
		r->flags |= WORK_IMPURE;
	/* The new base does not have what they hid. */
	for (uint32_t i = 0; names && i < names->cap; i++) {
		if (names->slots[i] && !names->slots[i]->node)
			work_txn_drop(t, d->node, names->slots[i]->text);
	}
}

static int settle(struct snap *s)
{
	struct work_txn t;
	int r = 0;

	work_txn_init(&t, s->w);
	for (size_t i = 0; !r && i < s->n_files; i++)
		r = settle_file(&t, &s->files[i]);
	for (size_t i = 0; i < s->n_dirs; i++)
		settle_dir(&t, &s->dirs[i]);
	t.base = &s->tree;
	if (!r)
		r = work_txn_commit(&t);
	work_txn_deinit(&t);
	return r;
}

/* ---- the whole ---- */

static void snap_deinit(struct snap *s)
{
	pack_abort(s->pack);
	pthread_mutex_lock(&s->w->lock);
	for (size_t i = 0; i < s->n_files; i++) {
		s->files[i].node->holds--;
		work_node_settle(s->w, s->files[i].node);
	}
	for (size_t i = 0; i < s->n_dirs; i++) {
		s->dirs[i].node->holds--;
		work_node_settle(s->w, s->dirs[i].node);
	}
	pthread_mutex_unlock(&s->w->lock);
	free(s->files);
	free(s->dirs);
	buf_deinit(&s->path);
	buf_deinit(&s->left_out);
}

static int make(struct snap *s)
{
	struct work *w = s->w;
	int r = snap_collect(s);

	if (!r)
		r = hash_files(s);
	if (!r)
		r = snap_build(s);
	if (r)
		return r;
	/* Writing the pack takes flushes: nobody waits for them but we. */
	pthread_mutex_unlock(&w->lock);
	r = pack_finish(TAKE(s->pack));
	pthread_mutex_lock(&w->lock);
	return r ? r : settle(s);
}

static bool is_clean(const struct work *w)
{
	return !(w->root->r.flags & (WORK_MODIFIED | WORK_IMPURE)) &&
	       !oid_is_zero(&w->root->r.oid) && oid_eq(&w->base, &w->root->r.oid);
}

static void tell_left_out(const struct snap *s, work_left_out_fn fn, void *arg)
{
	for (size_t at = 0; fn && at < s->left_out.len;) {
		const char *path = s->left_out.data + at, *why = path + strlen(path) + 1;

		fn(path, why, arg);
		at += (size_t)(why - path) + strlen(why) + 1;
	}
}

int work_snapshot(struct work *w, struct gitignore *ig, work_left_out_fn left_out, void *arg,
		  struct work_snapshot *ret)
{
	CLEANUP(snap_deinit) struct snap s = {.w = w, .ig = ig};
	int r = 0;

	buf_init(&s.path, SNAP_PATH_MAX);
	buf_init(&s.left_out, SNAP_LEFT_OUT_MAX);
	pthread_mutex_lock(&w->lock);
	if (is_clean(w)) {
		s.tree = w->root->r.oid;
	} else {
		r = pack_begin(w->project, &s.pack);
		if (!r)
			r = make(&s);
	}
	pthread_mutex_unlock(&w->lock);
	if (r)
		return r;
	tell_left_out(&s, left_out, arg);
	*ret = (struct work_snapshot){.tree = s.tree, .n_files = s.n_hashed};
	return 0;
}
