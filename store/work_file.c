/* Contents: lent for reading, written through.
 *
 * A reader gets a descriptor or the blob's memory and copies nothing here. A writer is entered at its inode
 * (n_writers) before it touches a byte and leaves afterwards, so that a snapshot can tell whether what it hashed is
 * what is there; between those the lock is not held.
 *
 * A full disk may be full of files that were deleted a moment ago and wait for the log to be synced: they are let go
 * and the write tried once more before anybody hears ENOSPC.
 */
#include "store/work_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "store/blob.h"

enum { PIECE = 1 << 20 };

int work_file_node(struct work *w, uint64_t ino, struct work_node **ret)
{
	struct work_node *n = work_node_find(w, ino);

	if (!n)
		return ESTALE;
	if (work_is_dir(n))
		return EISDIR;
	*ret = n;
	return S_ISREG(n->r.mode) ? 0 : EINVAL;
}

/* ---- entering and leaving ---- */

/* Everything above has changed; true when something there is not called modified yet. */
static bool bump(struct work_node *n)
{
	bool fresh = false;

	n->changes++;
	for (const struct work_name *e = n->names; e; e = e->next_link) {
		for (struct work_node *d = e->dir; d; d = work_parent_node(d)) {
			d->changes++;
			fresh |= !(d->r.flags & WORK_MODIFIED);
		}
	}
	return fresh;
}

static bool is_dirty(const struct work_node *n)
{
	return n->r.flags & WORK_NATIVE && oid_is_zero(&n->r.oid);
}

static int log_dirty(struct work *w, struct work_node *n)
{
	struct work_txn t;
	struct work_rec *r;
	int e;

	work_txn_init(&t, w);
	r = work_txn_rec(&t, n);
	r->flags |= WORK_NATIVE;
	r->oid = (struct oid){{0}};
	r->size = 0;
	work_txn_modified_above(&t, n);
	e = work_txn_commit(&t);
	work_txn_deinit(&t);
	return e;
}

int work_write_begin(struct work *w, struct work_node *n, uint64_t keep)
{
	int r = 0;

	n->holds++;
	while (n->still || n->copying)
		pthread_cond_wait(&w->moved, &w->lock);
	if (!is_dirty(n)) {
		r = work_copy_up(w, n, keep);
		n->is_unsynced = true;
	}
	if (!r && (bump(n) || !is_dirty(n)))
		r = log_dirty(w, n);
	if (r) {
		n->holds--;
		work_node_settle(w, n);
		return r;
	}
	if (n->is_unborn)
		n->is_unsynced = true;
	n->is_unborn = false;
	n->n_writers++;
	return 0;
}

void work_write_end(struct work *w, struct work_node *n)
{
	work_note_node(w, n);
	if (!--n->n_writers)
		pthread_cond_broadcast(&w->moved);
	n->holds--;
	work_node_settle(w, n);
}

/* ---- reading ---- */

static int lend_blob(struct work *w, const struct oid *oid, uint64_t off, size_t len,
		     struct work_bytes *ret)
{
	struct blob_view v = {.fd = -1};
	int r = blob_view(w->project, oid, &v);

	if (r)
		return r < 0 ? r
			     : fail(-EIO, "read a file of work tree '%s' whose blob is missing",
				    w->info.name);
	if (off >= v.len) {
		blob_done(&v);
		return 0;
	}
	*ret = (struct work_bytes){.len = len < v.len - off ? len : (size_t)(v.len - off),
				   .fd = v.fd,
				   .fd_off = off,
				   .owner2 = v.owner};
	if (v.data)
		ret->data = (const char *)v.data + off;
	return 0;
}

static int lend_native(struct work *w, uint64_t ino, uint64_t off, size_t len,
		       struct work_bytes *ret)
{
	struct work_fd *d = NULL;
	struct stat st;
	int r = work_fd_get(w, ino, false, &d);

	if (r)
		return r == -ENOENT ? 0 : r;
	if (fstat(work_fd_of(d), &st))
		r = fail(-errno, "read a file of work tree '%s'", w->info.name);
	if (r || off >= (uint64_t)st.st_size) {
		work_fd_put(w, d);
		return r;
	}
	if (len > (uint64_t)st.st_size - off)
		len = (size_t)((uint64_t)st.st_size - off);
	*ret = (struct work_bytes){.len = len, .fd = work_fd_of(d), .fd_off = off, .owner = d};
	return 0;
}

int work_read(struct work *w, uint64_t ino, uint64_t off, size_t len, struct work_bytes *ret)
{
	struct work_node *n;
	struct work_rec was;
	bool is_empty;
	int r;

	*ret = (struct work_bytes){.fd = -1};
	pthread_mutex_lock(&w->lock);
	r = work_file_node(w, ino, &n);
	if (!r) {
		was = n->r;
		is_empty = n->is_unborn;
	}
	pthread_mutex_unlock(&w->lock);
	if (r || is_empty)
		return r;
	if (was.flags & WORK_NATIVE)
		return lend_native(w, ino, off, len, ret);
	return oid_is_zero(&was.oid) ? 0 : lend_blob(w, &was.oid, off, len, ret);
}

void work_bytes_done(struct work *w, struct work_bytes *b)
{
	struct blob_view v = {.owner = b->owner2};

	blob_done(&v);
	work_fd_put(w, b->owner);
	b->owner = b->owner2 = NULL;
}

/* ---- writing ---- */

/* Where bytes come from: memory, or a pipe. */
struct source {
	const char *data; /* NULL: `fd` */
	int fd;
	char *spare; /* of PIECE bytes, once a pipe could not be spliced */
};

static ssize_t write_some(int fd, struct source *s, uint64_t off, size_t len)
{
	loff_t at = (loff_t)off;
	ssize_t n;

	if (s->data)
		return pwrite(fd, s->data, len, at);
	if (!s->spare) {
		n = splice(s->fd, NULL, fd, &at, len, 0);
		if (n >= 0 || errno != EINVAL)
			return n;
		s->spare = alloc_zero(PIECE);
	}
	n = read(s->fd, s->spare, len < PIECE ? len : PIECE);
	if (n <= 0)
		return n;
	/* What was taken out of a pipe cannot be put back: all of it, or a fault. */
	for (ssize_t done = 0; done < n;) {
		ssize_t k = pwrite(fd, s->spare + done, (size_t)(n - done), at + done);

		if (k <= 0)
			return k ? k : n;
		done += k;
	}
	return n;
}

static int write_all(struct work *w, int fd, struct source *s, uint64_t off, size_t len,
		     size_t *done)
{
	bool dug = false;

	while (*done < len) {
		ssize_t n = write_some(fd, s, off + *done, len - *done);

		if (n > 0) {
			*done += (size_t)n;
			if (s->data)
				s->data += n;
			continue;
		}
		if (!n)
			return fail(-EIO, "write a file of work tree '%s'", w->info.name);
		if (errno == EINTR)
			continue;
		if (errno == EFBIG || errno == EINVAL)
			return EFBIG;
		if ((errno != ENOSPC && errno != EDQUOT) || dug)
			return fail(-errno, "write a file of work tree '%s'", w->info.name);
		work_dig(w, true);
		dug = true;
	}
	return 0;
}

static int write_from(struct work *w, uint64_t ino, uint64_t off, struct source *s, size_t len,
		      size_t *done)
{
	struct work_fd *d = NULL;
	struct work_node *n;
	int r;

	*done = 0;
	if (off > INT64_MAX || len > INT64_MAX - off)
		return EFBIG;
	pthread_mutex_lock(&w->lock);
	r = work_file_node(w, ino, &n);
	if (!r)
		r = work_write_begin(w, n, UINT64_MAX);
	pthread_mutex_unlock(&w->lock);
	if (r)
		return r;
	r = work_fd_get(w, ino, true, &d);
	if (!r)
		r = write_all(w, work_fd_of(d), s, off, len, done);
	work_fd_put(w, d);
	pthread_mutex_lock(&w->lock);
	work_write_end(w, n);
	pthread_mutex_unlock(&w->lock);
	if (*done)
		work_tell(w);
	return r;
}

int work_write(struct work *w, uint64_t ino, uint64_t off, const void *data, size_t len,
	       size_t *done)
{
	struct source s = {.data = data, .fd = -1};

	return write_from(w, ino, off, &s, len, done);
}

int work_write_fd(struct work *w, uint64_t ino, uint64_t off, int fd, size_t len, size_t *done)
{
	struct source s = {.fd = fd};
	int r = write_from(w, ino, off, &s, len, done);

	free(s.spare);
	return r;
}

/* ---- syncing ---- */

static int sync_native(struct work *w, uint64_t ino, bool data_only, bool name_too)
{
	char shard[WORK_NATIVE_PATH];
	struct work_fd *d = NULL;
	int r = work_fd_get(w, ino, false, &d);

	if (r)
		return r == -ENOENT ? 0 : r;
	if (data_only ? fdatasync(work_fd_of(d)) : fsync(work_fd_of(d)))
		r = fail(-errno, "sync a file of work tree '%s'", w->info.name);
	work_fd_put(w, d);
	if (r || !name_too)
		return r;
	work_native_path(ino, shard);
	shard[2] = '\0';
	r = io_sync_dir(w->files_fd, shard);
	return r ? r : io_sync_dir(w->files_fd, ".");
}

int work_fsync(struct work *w, uint64_t ino, bool data_only)
{
	bool is_native = false, name_too = false;
	struct work_node *n;
	int r = 0;

	pthread_mutex_lock(&w->lock);
	n = work_node_find(w, ino);
	if (n) {
		is_native = S_ISREG(n->r.mode) && n->r.flags & WORK_NATIVE && !n->is_unborn;
		name_too = n->is_unsynced;
		n->holds++;
	}
	pthread_mutex_unlock(&w->lock);
	if (!n)
		return ESTALE;
	if (is_native)
		r = sync_native(w, ino, data_only, name_too);
	pthread_mutex_lock(&w->lock);
	if (!r && is_native && name_too)
		n->is_unsynced = false;
	n->holds--;
	work_node_settle(w, n);
	pthread_mutex_unlock(&w->lock);
	if (!r)
		r = work_log_sync(w);
	return r;
}

int work_statfs(struct work *w, struct statvfs *ret)
{
	return fstatvfs(w->dir_fd, ret) ? fail(-errno, "ask how full the disk is") : 0;
}
