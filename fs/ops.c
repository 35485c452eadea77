/* fs/ops.c - the table of requests, and the plain ones: do, then reply once.
 *
 * OPEN, OPENDIR and FLUSH answer ENOSYS. The kernel takes that to mean that no file and no directory here has state per
 * open, and never asks again: opens, reads of cached pages, stats and listings then cost no request at all. The handlers
 * must exist for that; without one libfuse answers by itself, and caching is lost.
 *
 * CREATE answers ENOSYS too: the kernel then makes a file by MKNOD, which gives no handle, and so never sends the RELEASE of
 * one. There is no writeback cache: what write() returned for has been written here, so killing us loses none of it.
 *
 * Pages are dropped only when we say so (EXPLICIT_INVAL_DATA): with the automatic rule each stat after a write would see a new
 * mtime and throw away what was just written.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "fs/app.h"
#include "fs/door.h"
#include "fs/work_place.h"
#include "store/store.h"

enum { READ_MAX = 1 << 20 };

int door_errno(int r)
{
	switch (r) {
	case PLACE_NO_ENTRY:
		return ENOENT;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -EFBIG:
	case -ENOTDIR:
	case -ENOSPC:
	case -EDQUOT:
	case -ENAMETOOLONG:
	case -ESTALE:
		return -r;
	case -E2BIG: /* a link target or patch past its ceiling */
		return EFBIG;
	default:
		return EIO;
	}
}

struct node *door_enter(fuse_req_t req, fuse_ino_t ino, enum tally_op op)
{
	struct fs *fs = door_fs(req);
	struct node *n;

	tally_add(&fs->tally, op, 1);
	n = node_get(fs->nodes, ino);
	if (!n)
		fuse_reply_err(req, ESTALE);
	return n;
}

int door_refusal(const struct node *n)
{
	bool is_ours = n->kind == PLACE_ROOT || n->kind == PLACE_PROJECT ||
		       n->kind == PLACE_WORKS || n->kind == PLACE_WORK;

	return is_ours ? EPERM : EROFS;
}

struct node *door_enter_work(fuse_req_t req, fuse_ino_t ino, enum tally_op op)
{
	struct node *n = door_enter(req, ino, op);

	if (!n || n->kind == PLACE_WORK)
		return n;
	tally_add(&door_fs(req)->tally, TALLY_REFUSED, 1);
	door_done(req, n, door_refusal(n));
	return NULL;
}

int door_work_errno(int r)
{
	return r < 0 ? door_errno(r) : r;
}

void door_done(fuse_req_t req, struct node *n, int r)
{
	struct fs *fs = door_fs(req);

	fuse_reply_err(req, r);
	node_put(fs->nodes, n);
}

struct work_caller door_caller(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct work_caller){.uid = ctx->uid, .gid = ctx->gid};
}

void door_found(fuse_req_t req, struct fs *fs, struct found *f)
{
	struct fuse_entry_param e = {.ino = f->node->id,
				     .attr = f->stat,
				     .attr_timeout = PLACE_ALWAYS,
				     .entry_timeout = f->entry_ttl};

	if (!e.attr.st_ino)
		place_stat(fs, f->node, &e.attr);
	/* Counted before the answer: the kernel may forget faster than we return. */
	node_remember(fs->nodes, f->node);
	if (fuse_reply_entry(req, &e))
		node_forget(fs->nodes, f->node->id, 1);
	node_put(fs->nodes, f->node);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS |
			FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_READDIRPLUS |
			FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_NO_OPEN_SUPPORT |
			FUSE_CAP_NO_OPENDIR_SUPPORT | FUSE_CAP_SPLICE_WRITE;
	unsigned refuse = FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS_AUTO |
			  FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_ATOMIC_O_TRUNC |
			  FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_SPLICE_READ |
			  FUSE_CAP_SPLICE_MOVE | FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;

	conn->want = (conn->want & ~refuse) | (want & conn->capable);
	conn->max_readahead = READ_MAX;
}

static void lookup_in(fuse_req_t req, struct fs *fs, struct node *dir, const char *name)
{
	const struct place_ops *ops = place_ops_of(dir);
	struct fuse_entry_param none = {0};
	struct found f = {0};
	int r = ops ? ops->lookup(fs, dir, name, &f) : -ENOTDIR;

	none.entry_timeout = f.entry_ttl;
	if (!r)
		door_found(req, fs, &f);
	else if (r == PLACE_NO_ENTRY && f.entry_ttl > 0)
		fuse_reply_entry(req, &none);
	else
		fuse_reply_err(req, door_errno(r));
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = door_fs(req);
	struct node *dir = door_enter(req, parent, TALLY_LOOKUP);

	if (!dir)
		return;
	lookup_in(req, fs, dir, name);
	node_put(fs->nodes, dir);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	struct fs *fs = door_fs(req);

	tally_add(&fs->tally, TALLY_FORGET, 1);
	node_forget(fs->nodes, ino, n);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *forgets)
{
	struct fs *fs = door_fs(req);

	tally_add(&fs->tally, TALLY_FORGET, n);
	for (size_t i = 0; i < n; i++)
		node_forget(fs->nodes, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = door_fs(req);
	struct node *n = door_enter(req, ino, TALLY_GETATTR);
	struct stat st;
	int r;

	if (!n)
		return;
	r = place_stat(fs, n, &st);
	if (r)
		fuse_reply_err(req, door_work_errno(r));
	else
		fuse_reply_attr(req, &st, PLACE_ALWAYS);
	node_put(fs->nodes, n);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	tally_add(&door_fs(req)->tally, TALLY_OPEN, 1);
	fuse_reply_err(req, ENOSYS);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	tally_add(&door_fs(req)->tally, TALLY_OPENDIR, 1);
	fuse_reply_err(req, ENOSYS);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	tally_add(&door_fs(req)->tally, TALLY_FLUSH, 1);
	fuse_reply_err(req, ENOSYS);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	tally_add(&door_fs(req)->tally, TALLY_CREATE, 1);
	fuse_reply_err(req, ENOSYS);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = door_fs(req);
	struct statvfs st;

	tally_add(&fs->tally, TALLY_STATFS, 1);
	if (fstatvfs(store_home_fd(fs->store), &st))
		fuse_reply_err(req, errno);
	else
		fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops fs_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.readlink = read_link,
	.open = op_open,
	.read = read_file,
	.flush = op_flush,
	.opendir = op_opendir,
	.readdir = dir_readdir,
	.readdirplus = dir_readdirplus,
	.statfs = op_statfs,
	.getxattr = xattr_get,
	.listxattr = xattr_list,
	.setxattr = xattr_set,
	.removexattr = xattr_remove,
	.setattr = setattr_node,
	.create = op_create,
	.mknod = naming_mknod,
	.mkdir = naming_mkdir,
	.symlink = naming_symlink,
	.link = naming_link,
	.unlink = naming_unlink,
	.rmdir = naming_rmdir,
	.rename = naming_rename,
	.write = write_file,
	.fallocate = write_fallocate,
	.copy_file_range = write_copy,
	.lseek = read_seek,
	.fsync = write_fsync,
	.fsyncdir = write_fsync,
};
