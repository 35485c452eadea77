/* fs/door.h - what the request handlers share: the door at which faults stop.
 */
#pragma once

#include <fuse_lowlevel.h>

#include "fs/fs_private.h"
#include "fs/node.h"
#include "fs/place.h"

/* The errno the caller gets for a fault or outcome. EMFILE and its like stay themselves; whatever else
 * went wrong inside is EIO, and was said in the log where it was born. */
int door_errno(int r);

/* The node of a request, referenced, counted as one request of kind `op`; replies ESTALE and returns
 * NULL when there is none. Take what you need of the request first: it ends with the answer. */
struct node *door_enter(fuse_req_t req, fuse_ino_t ino, enum tally_op op);

static inline struct fs *door_fs(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* The same for a request that changes something: replies what is due and returns NULL when the node is not of a work tree. */
struct node *door_enter_work(fuse_req_t req, fuse_ino_t ino, enum tally_op op);

/* What a change of that node is answered with when it is not of a work tree: EROFS in history, EPERM in what is ours. */
int door_refusal(const struct node *n);

/* The errno for what store/work.h answered. */
int door_work_errno(int r);

/* Answers with errno `r` (0: done) and gives the node back. */
void door_done(fuse_req_t req, struct node *n, int r);

/* Answers with a name that was found or made, and gives its node back. */
void door_found(fuse_req_t req, struct fs *fs, struct found *f);

struct work_caller;
/* Who asks. */
struct work_caller door_caller(fuse_req_t req);

/* fs/dir.c */
void dir_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		 struct fuse_file_info *fi);
void dir_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi);

/* fs/read.c */
void read_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	       struct fuse_file_info *fi);
void read_link(fuse_req_t req, fuse_ino_t ino);
void read_seek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	       struct fuse_file_info *fi);

/* fs/naming.c */
void naming_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev);
void naming_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void naming_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void naming_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void naming_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void naming_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void naming_rename(fuse_req_t req, fuse_ino_t from, const char *name, fuse_ino_t to,
		   const char *new_name, unsigned flags);

/* fs/setattr.c */
void setattr_node(fuse_req_t req, fuse_ino_t ino, struct stat *st, int set,
		  struct fuse_file_info *fi);
/* Drops the set-id bits of a file that somebody else than root changes; the kernel leaves that to us. */
void setattr_drop_set_id(fuse_req_t req, struct node *n);

/* fs/write.c */
void write_file(fuse_req_t req, fuse_ino_t ino, const char *data, size_t len, off_t off,
		struct fuse_file_info *fi);
void write_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		     struct fuse_file_info *fi);
void write_copy(fuse_req_t req, fuse_ino_t from, off_t from_off, struct fuse_file_info *fi,
		fuse_ino_t to, off_t to_off, struct fuse_file_info *to_fi, size_t len,
		int flags);
void write_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi);

/* fs/xattr.c */
void xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void xattr_list(fuse_req_t req, fuse_ino_t ino, size_t size);
void xattr_set(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
	       int flags);
void xattr_remove(fuse_req_t req, fuse_ino_t ino, const char *name);

/* fs/ops.c */
extern const struct fuse_lowlevel_ops fs_ops;
