/* fs/door.h - what the request handlers share: the door at which faults stop.
 */
#pragma once

#include <fuse_lowlevel.h>

#include "fs/fs_private.h"
#include "fs/node.h"
#include "fs/place.h"

struct live;

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

/* Holds what tree_place_guard() names until door_unguard(). 0 or a fault. */
int door_guard(struct fs *fs, struct node *dir, const char *name, struct live **ret);
void door_unguard(struct live *l);

/* What the kernel is told of `n`, under the name it was found by. */
void door_entry(struct fs *fs, struct node *n, double ttl, struct fuse_entry_param *ret);

/* fs/dir.c */
void dir_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		 struct fuse_file_info *fi);
void dir_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi);

/* fs/read.c */
void read_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	       struct fuse_file_info *fi);
void read_link(fuse_req_t req, fuse_ino_t ino);

/* fs/xattr.c */
void xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);

/* fs/ops.c */
extern const struct fuse_lowlevel_ops fs_ops;
