/* fs/write.c - bytes that are written, copied, given room, and made to last.
 *
 * Each write of a program is one request here, up to the megabyte that fits into one, and is in the home's files when it
 * is answered. Pages that were changed through a mapping come when the kernel thinks of it, or at msync; those
 * are nobody's call, and whose uid they bear says nothing.
 */
#include <errno.h>
#include <sys/stat.h>

#include "fs/door.h"
#include "fs/work_place.h"

void write_file(fuse_req_t req, fuse_ino_t ino, const char *data, size_t len, off_t off,
		struct fuse_file_info *fi)
{
	struct fs *fs = door_fs(req);
	struct node *n = door_enter_work(req, ino, TALLY_WRITE);
	size_t done = 0;
	int r;

	if (!n)
		return;
	if (!fi->writepage)
		setattr_drop_set_id(req, n);
	r = work_write(work_place_work(n), work_place_number(n), (uint64_t)off, data, len,
		       &done);
	if (r && !done)
		fuse_reply_err(req, door_work_errno(r));
	else
		fuse_reply_write(req, done);
	node_put(fs->nodes, n);
}

void write_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		     struct fuse_file_info *fi)
{
	struct node *n = door_enter_work(req, ino, TALLY_FALLOCATE);
	int r;

	if (!n)
		return;
	setattr_drop_set_id(req, n);
	r = work_fallocate(work_place_work(n), work_place_number(n), mode, (uint64_t)off,
			   (uint64_t)len);
	door_done(req, n, door_work_errno(r));
}

void write_copy(fuse_req_t req, fuse_ino_t from, off_t from_off, struct fuse_file_info *fi,
		fuse_ino_t to, off_t to_off, struct fuse_file_info *to_fi, size_t len,
		int flags)
{
	struct fs *fs = door_fs(req);
	struct node *n = door_enter_work(req, to, TALLY_COPY), *source;
	uint64_t done = 0;
	int r = EXDEV; /* the kernel then copies by itself */

	if (!n)
		return;
	source = node_get(fs->nodes, from);
	if (source && source->kind == PLACE_WORK &&
	    work_place_work(source) == work_place_work(n)) {
		setattr_drop_set_id(req, n);
		r = work_copy_range(work_place_work(n), work_place_number(source),
				    (uint64_t)from_off, work_place_number(n), (uint64_t)to_off,
				    len, &done);
	}
	node_put(fs->nodes, source);
	if (r && !done)
		fuse_reply_err(req, door_work_errno(r));
	else
		fuse_reply_write(req, done);
	node_put(fs->nodes, n);
}

void write_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
	struct node *n = door_enter(req, ino, TALLY_FSYNC);
	int r = 0;

	if (!n)
		return;
	/* History is durable already. */
	if (n->kind == PLACE_WORK)
		r = work_fsync(work_place_work(n), work_place_number(n), data_only);
	door_done(req, n, door_work_errno(r));
}
