/* Parts of files: allocated, punched, searched for holes, copied.
 *
 * The kernel's own calls do the work on native files; a clean file has no holes, and copying the whole of one into an
 * empty file copies its blob's id, which is what `cp --reflink` hopes for.
 */
#include "store/work_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

/* The native descriptor of a file that is about to be changed; end with leave(). */
static int enter(struct work *w, uint64_t ino, struct work_node **n, struct work_fd **d)
{
	int r;

	pthread_mutex_lock(&w->lock);
	r = work_file_node(w, ino, n);
	if (!r)
		r = work_write_begin(w, *n, UINT64_MAX);
	pthread_mutex_unlock(&w->lock);
	if (r)
		return r;
	r = work_fd_get(w, ino, true, d);
	if (r) {
		pthread_mutex_lock(&w->lock);
		work_write_end(w, *n);
		pthread_mutex_unlock(&w->lock);
	}
	return r;
}

static void leave(struct work *w, struct work_node *n, struct work_fd *d)
{
	work_fd_put(w, d);
	pthread_mutex_lock(&w->lock);
	work_write_end(w, n);
	pthread_mutex_unlock(&w->lock);
	work_tell(w);
}

/* The caller's mistakes are answers, the rest are faults. */
static int answer(struct work *w, int err)
{
	switch (err) {
	case EOPNOTSUPP:
	case EINVAL:
	case EFBIG:
	case ENXIO:
		return err;
	default:
		return fail(-err, "work on a file of work tree '%s'", w->info.name);
	}
}

int work_fallocate(struct work *w, uint64_t ino, int mode, uint64_t off, uint64_t len)
{
	struct work_node *n = NULL;
	struct work_fd *d = NULL;
	int r;

	if (!len || off > INT64_MAX || len > INT64_MAX)
		return EINVAL;
	if (len > INT64_MAX - off)
		return EFBIG;
	r = enter(w, ino, &n, &d);
	if (r)
		return r;
	if (fallocate(work_fd_of(d), mode, (off_t)off, (off_t)len))
		r = answer(w, errno);
	leave(w, n, d);
	return r;
}

int work_seek(struct work *w, uint64_t ino, uint64_t off, int whence, uint64_t *ret)
{
	struct work_node *n;
	struct work_fd *d = NULL;
	struct work_attr at = {0};
	bool is_native = false;
	off_t to;
	int r;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return EINVAL;
	pthread_mutex_lock(&w->lock);
	r = work_file_node(w, ino, &n);
	if (!r)
		r = work_attr_of(w, n, &at);
	if (!r)
		is_native = n->r.flags & WORK_NATIVE && !n->is_unborn;
	pthread_mutex_unlock(&w->lock);
	if (r)
		return r;
	if (off >= at.size)
		return ENXIO;
	*ret = whence == SEEK_DATA ? off : at.size;
	if (!is_native)
		return 0;
	r = work_fd_get(w, ino, false, &d);
	if (r)
		return r;
	/* The position is nobody's: all other calls bring their own. */
	to = lseek(work_fd_of(d), (off_t)off, whence);
	r = to < 0 ? answer(w, errno) : 0;
	work_fd_put(w, d);
	if (!r)
		*ret = (uint64_t)to;
	return r;
}

/* ---- copying ---- */

static bool is_empty(struct work *w, struct work_node *n)
{
	struct work_attr at;

	return !n->n_writers && !n->copying && !n->still && !work_attr_of(w, n, &at) &&
	       !at.size;
}

/* True when the answer is in `*r`: the whole of a clean file went into an empty one. */
static bool copy_reference(struct work *w, struct work_node *from, struct work_node *to,
			   uint64_t len, int *r)
{
	bool was_native = to->r.flags & WORK_NATIVE && !to->is_unborn;
	struct work_rec *rec;
	struct work_txn t;

	if (from == to || oid_is_zero(&from->r.oid) || from->n_writers || len < from->r.size ||
	    to->is_orphan || !is_empty(w, to))
		return false;
	work_txn_init(&t, w);
	rec = work_txn_rec(&t, to);
	rec->oid = from->r.oid;
	rec->size = from->r.size;
	rec->flags &= ~(uint32_t)WORK_NATIVE;
	rec->mtime = rec->ctime = t.now;
	work_txn_modified_above(&t, to);
	*r = work_txn_commit(&t);
	work_txn_deinit(&t);
	if (!*r) {
		to->is_unborn = false;
		if (was_native)
			work_bury(w, to->r.ino);
		work_note_node(w, to);
	}
	return true;
}

static int copy_lent(struct work *w, const struct work_bytes *b, uint64_t to, uint64_t off,
		     uint64_t *done)
{
	loff_t in = (loff_t)b->fd_off, out = (loff_t)off;
	struct work_node *n = NULL;
	struct work_fd *d = NULL;
	size_t wrote = 0;
	ssize_t k;
	int r;

	if (b->data) {
		r = work_write(w, to, off, b->data, b->len, &wrote);
		*done = wrote;
		return r;
	}
	r = enter(w, to, &n, &d);
	if (r)
		return r;
	do {
		k = copy_file_range(b->fd, &in, work_fd_of(d), &out, b->len, 0);
	} while (k < 0 && errno == EINTR);
	if (k < 0)
		r = answer(w, errno);
	else
		*done = (uint64_t)k;
	leave(w, n, d);
	return r;
}

int work_copy_range(struct work *w, uint64_t from, uint64_t from_off, uint64_t to,
		    uint64_t to_off, uint64_t len, uint64_t *done)
{
	struct work_node *a = NULL, *b = NULL;
	struct work_bytes bytes;
	int r;

	*done = 0;
	if (to_off > INT64_MAX || len > INT64_MAX - to_off)
		return EFBIG;
	pthread_mutex_lock(&w->lock);
	r = work_file_node(w, from, &a);
	if (!r)
		r = work_file_node(w, to, &b);
	if (!r && !from_off && !to_off && copy_reference(w, a, b, len, &r)) {
		if (!r)
			*done = b->r.size;
		pthread_mutex_unlock(&w->lock);
		work_tell(w);
		return r;
	}
	pthread_mutex_unlock(&w->lock);
	if (!r)
		r = work_read(w, from, from_off, len < SIZE_MAX ? (size_t)len : SIZE_MAX,
			      &bytes);
	if (r)
		return r;
	if (bytes.len)
		r = copy_lent(w, &bytes, to, to_off, done);
	work_bytes_done(w, &bytes);
	return r;
}
