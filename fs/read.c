/* fs/read.c - the bytes of files and links.
 *
 * Small blobs are lent by the store from memory, large ones as an extracted file that the kernel reads by itself
 * (splice); either way nothing is copied here.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "fs/ahead.h"
#include "fs/app.h"
#include "fs/door.h"
#include "fs/tree_place.h"
#include "fs/work_place.h"
#include "store/blob.h"

static int gone(struct node *n)
{
	char hex[OID_HEX_LEN + 1];

	return fail(-EIO, "project '%s': content %s is missing", n->app->name,
		    oid_hex(&n->oid, hex));
}

/* `len` bytes of memory, or of `fd` at `pos`. */
static void reply_lent(fuse_req_t req, const void *data, size_t len, int fd, uint64_t pos)
{
	struct fuse_bufvec vec = FUSE_BUFVEC_INIT(len);
	union {
		const void *in;
		void *out;
	} mem = {.in = data};

	if (data) {
		vec.buf[0].mem = mem.out;
	} else {
		vec.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
		vec.buf[0].fd = fd;
		vec.buf[0].pos = (off_t)pos;
	}
	if (len)
		fuse_reply_data(req, &vec, FUSE_BUF_SPLICE_MOVE);
	else
		fuse_reply_buf(req, NULL, 0);
}

static void reply_view(fuse_req_t req, const struct blob_view *v, size_t size, uint64_t off)
{
	size_t left = off < v->len ? v->len - (size_t)off : 0;
	const char *data = v->data;

	reply_lent(req, data && left ? data + off : data, size < left ? size : left, v->fd,
		   off);
}

static void read_work(fuse_req_t req, struct node *n, size_t size, uint64_t off)
{
	struct work *w = work_place_work(n);
	struct work_bytes b;
	int r = work_read(w, work_place_number(n), off, size, &b);

	if (r) {
		fuse_reply_err(req, door_work_errno(r));
		return;
	}
	reply_lent(req, b.data, b.len, b.fd, b.fd_off);
	work_bytes_done(w, &b);
}

static void read_blob(fuse_req_t req, struct node *n, size_t size, uint64_t off)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct blob_view v;
	int r = app_use(door_fs(req), n->app, &p);

	if (!r)
		r = blob_view(p, &n->oid, &v);
	if (r) {
		fuse_reply_err(req, door_errno(r < 0 ? r : gone(n)));
		return;
	}
	reply_view(req, &v, size, off);
	blob_done(&v);
}

static void read_text(fuse_req_t req, struct node *n, size_t size, uint64_t off)
{
	size_t left = off < n->size ? (size_t)(n->size - off) : 0;

	fuse_reply_buf(req, left ? (const char *)n->extra + off : NULL,
		       size < left ? size : left);
}

void read_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	       struct fuse_file_info *fi)
{
	struct fs *fs = door_fs(req);
	struct node *n = door_enter(req, ino, TALLY_READ);

	if (!n)
		return;
	if (!off)
		ahead_read(fs->ahead, n);
	if (n->kind == PLACE_TEXT)
		read_text(req, n, size, (uint64_t)off);
	else if (n->kind == PLACE_WORK)
		read_work(req, n, size, (uint64_t)off);
	else if (n->kind == PLACE_BLOB)
		read_blob(req, n, size, (uint64_t)off);
	else
		fuse_reply_err(req, EISDIR);
	node_put(fs->nodes, n);
}

/* A blob as a link's target: what stands before the first NUL, as git checks it out. */
static int blob_target(struct fs *fs, struct node *n, struct buf *b)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	int r = app_use(fs, n->app, &p);

	if (!r)
		r = blob_read(p, &n->oid, b);
	if (r > 0)
		r = gone(n);
	return r;
}

static void link_work(fuse_req_t req, struct node *n)
{
	char *target = NULL;
	int r = work_readlink(work_place_work(n), work_place_number(n), &target);

	if (r)
		fuse_reply_err(req, door_work_errno(r));
	else
		fuse_reply_readlink(req, target);
	free(target);
}

void read_link(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = door_fs(req);
	struct node *n = door_enter(req, ino, TALLY_READLINK);
	CLEANUP(buf_deinit) struct buf b;
	char target[512];
	int r = 0;

	buf_init(&b, PATH_MAX);
	if (!n)
		return;
	if (n->kind == PLACE_WORK) {
		link_work(req, n);
		node_put(fs->nodes, n);
		return;
	}
	if (n->kind == PLACE_POINTER)
		r = place_pointer_target(fs, n, target, sizeof(target));
	else if (S_ISLNK(n->mode))
		r = blob_target(fs, n, &b);
	else
		r = -EINVAL;
	if (r)
		fuse_reply_err(req, r == -EINVAL ? EINVAL : door_errno(r));
	else
		fuse_reply_readlink(req, n->kind == PLACE_POINTER ? target : b.data);
	node_put(fs->nodes, n);
}

/* A file of history is one piece of data. */
static int seek_whole(const struct node *n, uint64_t off, int whence, uint64_t *ret)
{
	if (off >= n->size)
		return ENXIO;
	*ret = whence == SEEK_DATA ? off : n->size;
	return 0;
}

void read_seek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	struct fs *fs = door_fs(req);
	struct node *n = door_enter(req, ino, TALLY_LSEEK);
	uint64_t at = 0;
	int r;

	if (!n)
		return;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		r = EINVAL;
	else if (n->kind == PLACE_WORK)
		r = work_seek(work_place_work(n), work_place_number(n), (uint64_t)off, whence,
			      &at);
	else
		r = seek_whole(n, (uint64_t)off, whence, &at);
	if (r)
		fuse_reply_err(req, door_work_errno(r));
	else
		fuse_reply_lseek(req, (off_t)at);
	node_put(fs->nodes, n);
}
