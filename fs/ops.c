/* fs/ops.c - the requests of the kernel: do, then reply once.
 *
 * OPEN, OPENDIR and FLUSH answer ENOSYS. The kernel takes that to mean that no file and no directory here has state per
 * open, and never asks again: opens, reads of cached pages, stats and listings then cost no request at all. The handlers
 * must exist for that; without one libfuse answers by itself, and caching is lost.
 *
 * Everything is mounted read-only, so the kernel refuses changes by itself. The handlers that say EROFS are the second
 * line, for a mount that its administrator remounted.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "fs/app.h"
#include "fs/door.h"
#include "fs/live.h"
#include "fs/tree_place.h"
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

int door_guard(struct fs *fs, struct node *dir, const char *name, struct live **ret)
{
	int r = tree_place_guard(fs, dir, name, ret);

	if (!r && *ret)
		pthread_rwlock_rdlock(&(*ret)->lock);
	return r;
}

void door_unguard(struct live *l)
{
	if (l)
		pthread_rwlock_unlock(&l->lock);
}

void door_entry(struct fs *fs, struct node *n, double ttl, struct fuse_entry_param *ret)
{
	*ret = (struct fuse_entry_param){
		.ino = n->id, .attr_timeout = PLACE_ALWAYS, .entry_timeout = ttl};
	place_stat(fs, n, &ret->attr);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS |
			FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_READDIRPLUS |
			FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_NO_OPEN_SUPPORT |
			FUSE_CAP_NO_OPENDIR_SUPPORT | FUSE_CAP_SPLICE_WRITE;
	unsigned refuse = FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_WRITEBACK_CACHE |
			  FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_POSIX_LOCKS |
			  FUSE_CAP_FLOCK_LOCKS;

	conn->want = (conn->want & ~refuse) | (want & conn->capable);
	conn->max_readahead = READ_MAX;
}

static void reply_found(fuse_req_t req, struct fs *fs, struct found *f)
{
	struct fuse_entry_param e;

	door_entry(fs, f->node, f->entry_ttl, &e);
	/* Counted before the answer: the kernel may forget faster than we return. */
	node_remember(fs->nodes, f->node);
	if (fuse_reply_entry(req, &e))
		node_forget(fs->nodes, f->node->id, 1);
	node_put(fs->nodes, f->node);
}

static void lookup_in(fuse_req_t req, struct fs *fs, struct node *dir, const char *name)
{
	const struct place_ops *ops = place_ops_of(dir);
	struct fuse_entry_param none = {0};
	struct live *guard = NULL;
	struct found f = {0};
	int r = ops ? door_guard(fs, dir, name, &guard) : -ENOTDIR;

	if (!r)
		r = ops->lookup(fs, dir, name, &f);
	none.entry_timeout = f.entry_ttl;
	if (!r)
		reply_found(req, fs, &f);
	else if (r == PLACE_NO_ENTRY && f.entry_ttl > 0)
		fuse_reply_entry(req, &none);
	else
		fuse_reply_err(req, door_errno(r));
	door_unguard(guard);
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
	struct live *guard = NULL;
	struct stat st;
	int r;

	if (!n)
		return;
	r = door_guard(fs, n, NULL, &guard);
	place_stat(fs, n, &st);
	if (r)
		fuse_reply_err(req, door_errno(r));
	else
		fuse_reply_attr(req, &st, PLACE_ALWAYS);
	door_unguard(guard);
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

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	tally_add(&door_fs(req)->tally, TALLY_LISTXATTR, 1);
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

static void refuse(fuse_req_t req)
{
	tally_add(&door_fs(req)->tally, TALLY_REFUSED, 1);
	fuse_reply_err(req, EROFS);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int set,
		       struct fuse_file_info *fi)
{
	refuse(req);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t len, off_t off,
		     struct fuse_file_info *fi)
{
	refuse(req);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	refuse(req);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		     dev_t dev)
{
	refuse(req);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	refuse(req);
}

static void op_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	refuse(req);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	refuse(req);
}

static void op_rename(fuse_req_t req, fuse_ino_t from, const char *name, fuse_ino_t to,
		      const char *new_name, unsigned flags)
{
	refuse(req);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	refuse(req);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			size_t size, int flags)
{
	refuse(req);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	refuse(req);
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
	.listxattr = op_listxattr,
	.setattr = op_setattr,
	.write = op_write,
	.create = op_create,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_remove,
	.rmdir = op_remove,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
};
