/* What stat says, and what chmod, chown, truncate and utimens change.
 *
 * Size, blocks and times of a native file are the native file's own, so that a write appends nothing to the
 * log; owner, mode and links are in the record. ctime is the later of both. Everything a caller may alter is logged in
 * the record as well, because a clean file's native bytes are dropped by a restart.
 *
 * "Now" is the kernel's coarse clock, the one file systems stamp with, so that times of records and of native files
 * compare.
 */
#include "store/work_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define SECOND ((int64_t)1000000000)

static int64_t ns_of(const struct timespec *t)
{
	/* 1678 to 2262 */
	if (t->tv_sec > INT64_MAX / SECOND - 1)
		return INT64_MAX;
	if (t->tv_sec < INT64_MIN / SECOND + 1)
		return INT64_MIN + SECOND;
	return (int64_t)t->tv_sec * SECOND + t->tv_nsec;
}

struct timespec work_timespec(int64_t ns)
{
	int64_t s = ns / SECOND, rest = ns % SECOND;

	return rest < 0 ? (struct timespec){s - 1, rest + SECOND} : (struct timespec){s, rest};
}

int64_t work_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return ns_of(&t);
}

int work_current(struct work *w, const struct work_node *n, struct work_rec *ret,
		 uint64_t *blocks)
{
	struct stat st;
	int r;

	*ret = n->r;
	*blocks = (n->r.size + 511) / 512;
	if (!S_ISREG(n->r.mode) || !(n->r.flags & WORK_NATIVE))
		return 0;
	r = n->is_unborn ? -ENOENT : work_native_stat(w, n->r.ino, &st);
	if (r) {
		ret->size = *blocks = 0;
		return r == -ENOENT ? 0 : r;
	}
	ret->size = (uint64_t)st.st_size;
	*blocks = (uint64_t)st.st_blocks;
	ret->atime = ns_of(&st.st_atim);
	ret->mtime = ns_of(&st.st_mtim);
	if (ns_of(&st.st_ctim) > ret->ctime)
		ret->ctime = ns_of(&st.st_ctim);
	return 0;
}

int work_attr_of(struct work *w, struct work_node *n, struct work_attr *ret)
{
	struct work_rec c;
	uint64_t blocks;
	int r = work_current(w, n, &c, &blocks);

	if (r)
		return r;
	*ret = (struct work_attr){
		.ino = c.ino,
		.mode = c.mode,
		.nlink = c.nlink,
		.uid = c.uid,
		.gid = c.gid,
		.size = c.size,
		.blocks = blocks,
		.atime = work_timespec(c.atime),
		.mtime = work_timespec(c.mtime),
		.ctime = work_timespec(c.ctime),
	};
	if (work_is_dir(n)) {
		ret->size = 4096;
		ret->blocks = 8;
	}
	if (!(c.flags & WORK_MODIFIED))
		ret->oid = c.oid;
	return 0;
}

int work_getattr(struct work *w, uint64_t ino, struct work_attr *ret)
{
	struct work_node *n;

	LOCKED(&w->lock);
	n = work_node_find(w, ino);
	return n ? work_attr_of(w, n, ret) : ESTALE;
}

enum { TIMES = WORK_SET_ATIME | WORK_SET_MTIME | WORK_SET_ATIME_NOW | WORK_SET_MTIME_NOW };

/* The times of the native file, as far as they are set. */
static int set_native_times(struct work *w, const struct work_node *n, const struct work_rec *r,
			    unsigned set)
{
	struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
	struct work_fd *d = NULL;
	int e;

	if (!(set & TIMES) || !(n->r.flags & WORK_NATIVE) || n->is_unborn)
		return 0;
	if (set & (WORK_SET_ATIME | WORK_SET_ATIME_NOW))
		t[0] = work_timespec(r->atime);
	if (set & (WORK_SET_MTIME | WORK_SET_MTIME_NOW))
		t[1] = work_timespec(r->mtime);
	e = work_fd_get(w, n->r.ino, false, &d);
	if (e)
		return e == -ENOENT ? 0 : e;
	if (futimens(work_fd_of(d), t))
		e = fail(-errno, "set times of an inode of work tree '%s'", w->info.name);
	work_fd_put(w, d);
	return e;
}

/* What a write or a chown by a user drops: set-uid, and set-gid where the group may execute. */
static uint32_t without_set_ids(uint32_t mode)
{
	mode &= ~(uint32_t)S_ISUID;
	return mode & S_IXGRP ? mode & ~(uint32_t)S_ISGID : mode;
}

static void alter(struct work_rec *r, const struct work_attr *to, unsigned set, int64_t now)
{
	if (set & WORK_SET_MODE && !S_ISLNK(r->mode))
		r->mode = (r->mode & S_IFMT) | (to->mode & 07777);
	if (set & WORK_SET_UID)
		r->uid = to->uid;
	if (set & WORK_SET_GID)
		r->gid = to->gid;
	if (set & WORK_SET_KILL_SUID && !S_ISDIR(r->mode))
		r->mode = without_set_ids(r->mode);
	if (set & WORK_SET_ATIME)
		r->atime = ns_of(&to->atime);
	if (set & WORK_SET_MTIME)
		r->mtime = ns_of(&to->mtime);
	if (set & WORK_SET_ATIME_NOW)
		r->atime = now;
	if (set & WORK_SET_MTIME_NOW)
		r->mtime = now;
	r->ctime = now;
}

/* All but the size. */
static int set_rest(struct work *w, struct work_node *n, const struct work_attr *to,
		    unsigned set)
{
	struct work_rec *r, was;
	struct work_txn t;
	uint64_t blocks;
	int e = work_current(w, n, &was, &blocks);

	if (e)
		return e;
	work_txn_init(&t, w);
	r = work_txn_rec(&t, n);
	/* As the record has to stand when the native file is no longer asked. */
	r->atime = was.atime;
	r->mtime = was.mtime;
	alter(r, to, set, t.now);
	/* Git keeps the executable bit. */
	if (S_ISREG(r->mode) && (r->mode ^ n->r.mode) & S_IXUSR)
		work_txn_modified_above(&t, n);
	e = set_native_times(w, n, r, set);
	if (!e)
		e = work_txn_commit(&t);
	work_txn_deinit(&t);
	if (!e)
		work_note_node(w, n);
	return e;
}

/* A file of `size` bytes; lock held, given up in between. */
static int set_size(struct work *w, struct work_node *n, uint64_t size)
{
	struct work_fd *d = NULL;
	int r = work_write_begin(w, n, size);

	if (r)
		return r;
	pthread_mutex_unlock(&w->lock);
	r = work_fd_get(w, n->r.ino, true, &d);
	if (!r && ftruncate(work_fd_of(d), (off_t)size))
		r = errno == EFBIG || errno == EINVAL
			    ? EFBIG
			    : fail(-errno, "truncate a file of work tree '%s'", w->info.name);
	/* POSIX wants the times to move even when the size stays. */
	if (!r) {
		const struct timespec now[2] = {{.tv_nsec = UTIME_OMIT},
						{.tv_nsec = UTIME_NOW}};

		(void)futimens(work_fd_of(d), now);
	}
	work_fd_put(w, d);
	pthread_mutex_lock(&w->lock);
	work_write_end(w, n);
	return r;
}

static int set_locked(struct work *w, struct work_node *n, const struct work_attr *to,
		      unsigned set)
{
	int r = 0;

	if (set & WORK_SET_SIZE) {
		if (work_is_dir(n))
			return EISDIR;
		if (!S_ISREG(n->r.mode))
			return EINVAL;
		if (to->size > INT64_MAX)
			return EFBIG;
		r = set_size(w, n, to->size);
	}
	if (!r && set & ~(unsigned)WORK_SET_SIZE)
		r = set_rest(w, n, to, set);
	return r;
}

int work_setattr(struct work *w, uint64_t ino, const struct work_attr *to, unsigned set,
		 struct work_attr *ret)
{
	struct work_node *n;
	int r;

	pthread_mutex_lock(&w->lock);
	n = work_node_find(w, ino);
	r = n ? 0 : ESTALE;
	if (n) {
		n->holds++;
		r = set_locked(w, n, to, set);
		if (!r && ret)
			r = work_attr_of(w, n, ret);
		n->holds--;
		work_node_settle(w, n);
	}
	pthread_mutex_unlock(&w->lock);
	if (!r)
		work_tell(w);
	return r;
}
