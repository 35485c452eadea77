/* Names made and taken away.
 *
 * Each call settles what POSIX would say first, while nothing is changed, and then makes one transaction. What is
 * unlinked and still held goes on as an orphan, in memory; the log says that it is gone.
 */
#include "store/work_private.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/blob.h"
#include "store/work_format.h"

static int check_name(const char *name)
{
	size_t len = strlen(name);

	if (len > 255)
		return ENAMETOOLONG;
	return !len || !strcmp(name, ".") || !strcmp(name, "..") || strchr(name, '/') ? EINVAL
										      : 0;
}

/* The directory, in which the name is free. */
static int free_place(struct work *w, uint64_t ino, const char *name, struct work_node **dir)
{
	struct work_node *n = NULL;
	int r = work_dir_node(w, ino, dir);

	if (!r)
		r = work_step(w, *dir, name, &n);
	if (!r) {
		work_node_settle(w, n);
		return EEXIST;
	}
	return r == ENOENT && !(*dir)->is_orphan ? 0 : r;
}

/* An inode that is to be made. */
struct made {
	mode_t mode;
	const struct work_caller *who;
	const char *target; /* of a link */
};

static void fill(struct work_rec *r, const struct work_node *dir, const struct made *m)
{
	r->mode = m->mode;
	r->uid = m->who->uid;
	r->gid = m->who->gid;
	if (dir->r.mode & S_ISGID) {
		r->gid = dir->r.gid;
		if (S_ISDIR(m->mode))
			r->mode |= S_ISGID;
	}
	if (S_ISDIR(m->mode)) {
		r->nlink = 2;
		r->size = (uint64_t)r->mtime;
	} else if (S_ISREG(m->mode)) {
		r->flags = WORK_NATIVE;
	} else if (S_ISLNK(m->mode)) {
		r->target = work_text_new(m->target, strlen(m->target));
		r->size = r->target->len;
	}
}

static int make_locked(struct work *w, struct work_node *dir, const char *name,
		       const struct made *m, struct work_attr *ret)
{
	struct work_rec *r, *up;
	struct work_node *n;
	struct work_txn t;
	uint64_t ino;
	int e;

	work_txn_init(&t, w);
	r = work_txn_new(&t);
	ino = r->ino;
	fill(r, dir, m);
	up = work_txn_touched(&t, dir);
	up->nlink += S_ISDIR(m->mode);
	work_txn_name(&t, dir, name, ino);
	e = work_txn_commit(&t);
	work_txn_deinit(&t);
	if (e)
		return e;
	n = work_node_find(w, ino);
	n->is_unborn = S_ISREG(m->mode);
	n->holds++;
	work_note(w, dir, name);
	return work_attr_of(w, n, ret);
}

static int make(struct work *w, uint64_t ino, const char *name, const struct made *m,
		struct work_attr *ret)
{
	struct work_node *dir;
	int r = check_name(name);

	if (r)
		return r;
	work_warm(w, ino);
	pthread_mutex_lock(&w->lock);
	r = free_place(w, ino, name, &dir);
	if (!r)
		r = make_locked(w, dir, name, m, ret);
	pthread_mutex_unlock(&w->lock);
	if (!r)
		work_tell(w);
	return r;
}

int work_create_file(struct work *w, uint64_t dir, const char *name, mode_t mode,
		     const struct work_caller *who, struct work_attr *ret)
{
	const struct made m = {S_IFREG | (mode & 07777), who, NULL};

	return make(w, dir, name, &m, ret);
}

int work_mkdir(struct work *w, uint64_t dir, const char *name, mode_t mode,
	       const struct work_caller *who, struct work_attr *ret)
{
	const struct made m = {S_IFDIR | (mode & 07777), who, NULL};

	return make(w, dir, name, &m, ret);
}

int work_mknod(struct work *w, uint64_t dir, const char *name, mode_t mode,
	       const struct work_caller *who, struct work_attr *ret)
{
	const struct made m = {
		mode & S_IFMT ? mode & (S_IFMT | 07777) : S_IFREG | (mode & 07777), who, NULL};

	if (!S_ISREG(m.mode) && !S_ISFIFO(m.mode) && !S_ISSOCK(m.mode))
		return EPERM;
	return make(w, dir, name, &m, ret);
}

int work_symlink(struct work *w, uint64_t dir, const char *name, const char *target,
		 const struct work_caller *who, struct work_attr *ret)
{
	const struct made m = {S_IFLNK | 0777, who, target};

	if (!*target)
		return ENOENT;
	return strlen(target) > WORK_TARGET_MAX ? ENAMETOOLONG : make(w, dir, name, &m, ret);
}

static int read_target(struct work *w, const struct oid *oid, char **ret)
{
	CLEANUP(buf_deinit) struct buf b;
	int r;

	buf_init(&b, WORK_TARGET_MAX);
	r = blob_read(w->project, oid, &b);
	if (r)
		return fail(r < 0 ? r : -EIO, "read a link of work tree '%s'", w->info.name);
	*ret = buf_take(&b);
	return 0;
}

int work_readlink(struct work *w, uint64_t ino, char **ret)
{
	const struct work_node *n;
	struct oid oid = {{0}};
	int r = 0;

	pthread_mutex_lock(&w->lock);
	n = work_node_find(w, ino);
	if (!n)
		r = ESTALE;
	else if (!S_ISLNK(n->r.mode))
		r = EINVAL;
	else if (n->r.target)
		*ret = alloc_copy(n->r.target->data, n->r.target->len);
	else
		oid = n->r.oid;
	pthread_mutex_unlock(&w->lock);
	return r || oid_is_zero(&oid) ? r : read_target(w, &oid, ret);
}

static int link_locked(struct work *w, struct work_node *n, struct work_node *dir,
		       const char *name, struct work_attr *ret)
{
	struct work_rec *r;
	struct work_txn t;
	int e;

	work_txn_init(&t, w);
	r = work_txn_rec(&t, n);
	r->nlink++;
	r->ctime = t.now;
	(void)work_txn_touched(&t, dir);
	work_txn_name(&t, dir, name, n->r.ino);
	e = work_txn_commit(&t);
	work_txn_deinit(&t);
	if (e)
		return e;
	n->holds++;
	work_note(w, dir, name);
	return work_attr_of(w, n, ret);
}

int work_link(struct work *w, uint64_t ino, uint64_t dir_ino, const char *name,
	      struct work_attr *ret)
{
	struct work_node *n, *dir = NULL;
	int r = check_name(name);

	if (r)
		return r;
	work_warm(w, dir_ino);
	pthread_mutex_lock(&w->lock);
	n = work_node_find(w, ino);
	if (!n)
		r = ESTALE;
	else if (work_is_dir(n))
		r = EPERM;
	else if (n->is_orphan)
		r = ENOENT;
	else if (n->r.nlink >= WORK_LINK_MAX)
		r = EMLINK;
	if (!r)
		r = free_place(w, dir_ino, name, &dir);
	if (!r)
		r = link_locked(w, n, dir, name, ret);
	pthread_mutex_unlock(&w->lock);
	if (!r)
		work_tell(w);
	return r;
}

/* ---- taking away ---- */

static int remove_name(struct work *w, struct work_node *dir, const char *name,
		       struct work_node *n)
{
	struct work_rec *up;
	struct work_txn t;
	int64_t now;
	int e;

	work_txn_init(&t, w);
	now = t.now;
	n->holds++;
	if (!work_is_dir(n) && n->r.nlink > 1) {
		struct work_rec *r = work_txn_rec(&t, n);

		r->nlink--;
		r->ctime = now;
	} else {
		work_txn_gone(&t, n);
	}
	up = work_txn_touched(&t, dir);
	up->nlink -= work_is_dir(n);
	e = work_txn_unname(&t, dir, name);
	if (!e)
		e = work_txn_commit(&t);
	work_txn_deinit(&t);
	if (!e)
		n->r.ctime = now;
	n->holds--;
	work_node_settle(w, n);
	if (!e)
		work_note(w, dir, name);
	return e;
}

static int take_away(struct work *w, uint64_t ino, const char *name, bool is_dir)
{
	struct work_node *dir, *n = NULL;
	int r = check_name(name);

	if (r)
		return r;
	work_warm(w, ino);
	pthread_mutex_lock(&w->lock);
	r = work_dir_node(w, ino, &dir);
	if (!r)
		r = work_step(w, dir, name, &n);
	if (!r && work_is_dir(n) != is_dir)
		r = is_dir ? ENOTDIR : EISDIR;
	if (!r && is_dir)
		r = work_is_empty(w, n);
	if (!r)
		r = remove_name(w, dir, name, n);
	else if (n)
		work_node_settle(w, n);
	pthread_mutex_unlock(&w->lock);
	if (!r) {
		work_dig(w, false);
		work_tell(w);
	}
	return r;
}

int work_unlink(struct work *w, uint64_t dir, const char *name)
{
	return take_away(w, dir, name, false);
}

int work_rmdir(struct work *w, uint64_t dir, const char *name)
{
	return take_away(w, dir, name, true);
}
