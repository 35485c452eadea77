/* A clean file becomes a native one.
 *
 * The bytes are copied outside the lock, while `copying` keeps other writers waiting; readers go on reading the
 * blob. They are synced before the log calls the file dirty: else a power cut could keep that record, lose the
 * bytes, and leave a hole where a committed file was. A file that is truncated to nothing copies nothing and
 * syncs nothing, which is what most programs do.
 *
 * Of a clean file that has native bytes already nothing is copied; they are synced for the same reason.
 */
#include "store/work_private.h"

#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/blob.h"

static int copy_file(int to, int from, uint64_t len)
{
	off_t in = 0, out = 0;

	while (len) {
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		len -= (uint64_t)n;
	}
	return 0;
}

static int copy_bytes(int to, const char *data, uint64_t len)
{
	uint64_t at = 0;

	while (at < len) {
		ssize_t n = pwrite(to, data + at, (size_t)(len - at), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += (uint64_t)n;
	}
	return 0;
}

static int copy_blob(struct work *w, const struct oid *oid, int to, uint64_t keep)
{
	CLEANUP(blob_done) struct blob_view v = {.fd = -1};
	int r = blob_view(w->project, oid, &v);

	if (r)
		return r < 0 ? r
			     : fail(-EIO, "copy a file of work tree '%s' whose blob is missing",
				    w->info.name);
	if (keep > v.len)
		keep = v.len;
	if (ftruncate(to, 0))
		return fail(-errno, "make a file of work tree '%s' writable", w->info.name);
	r = v.data ? copy_bytes(to, v.data, keep) : copy_file(to, v.fd, keep);
	return r ? fail(r, "make a file of work tree '%s' writable", w->info.name) : 0;
}

static int copy(struct work *w, const struct work_rec *was, uint64_t keep)
{
	struct work_fd *d = NULL;
	int r = work_fd_get(w, was->ino, true, &d);

	if (r)
		return r;
	if (!(was->flags & WORK_NATIVE) && !oid_is_zero(&was->oid) && keep)
		r = copy_blob(w, &was->oid, work_fd_of(d), keep);
	else if (!(was->flags & WORK_NATIVE) && ftruncate(work_fd_of(d), 0))
		r = fail(-errno, "make a file of work tree '%s' writable", w->info.name);
	if (!r && keep && was->size && fdatasync(work_fd_of(d)))
		r = fail(-errno, "sync a file of work tree '%s'", w->info.name);
	work_fd_put(w, d);
	return r;
}

int work_copy_up(struct work *w, struct work_node *n, uint64_t keep)
{
	struct work_rec was = n->r; /* no more than its numbers are looked at */
	int r;

	n->copying = true;
	pthread_mutex_unlock(&w->lock);
	r = copy(w, &was, keep);
	pthread_mutex_lock(&w->lock);
	n->copying = false;
	pthread_cond_broadcast(&w->moved);
	return r;
}
