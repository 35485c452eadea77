/* store/work.h - a work tree: a writable directory tree over the tree of a commit.
 *
 * Everything in it that nobody touched is *clean*: it comes out of git through store/tree.h and costs nothing here.
 * What was touched is *explicit*: an inode record with attributes of its own, and, of a regular file that was
 * written to, a native file under work/<id>/files/ that holds its bytes. Explicit inodes and names live in
 * memory and in one append-only log (store/work_format.h); they are all there is to recover.
 *
 * Two facts about a directory are kept apart: that it is explicit (it has names or attributes of its own) and that it is
 * *modified* (something below may differ from the tree it stands for). Snapshot, status and switch
 * descend into modified directories only, so they cost what changed.
 *
 * Promise: when a call has returned, killing the process loses nothing of it. After work_fsync(), and after any function
 * said to be durable, neither does cutting the power.
 *
 * Answers: 0; a positive errno, which is the answer POSIX wants the caller to have (ENOENT, EEXIST, ENOTEMPTY …); or a
 * negative errno, a fault of ours (-EIO, -ENOSPC, -EDQUOT, -EMFILE), said in the log. Permission
 * checks are the kernel's (default_permissions); what is done here beyond them is said at each function.
 *
 * Threads: all functions may be called from any thread, for one work tree at once. No function calls back while it holds a
 * lock, except where it says so. A work tree is open in one process at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/oid.h"

struct gitignore;
struct project;
struct store;
struct work;

enum { WORK_NAME_MAX = 100, WORK_ROOT_INO = 1, WORK_XATTR_MAX = 65536 };

/* ---- which work trees a project has ---- */

/* A record in state/, durable. `live` is the name of the one that every project has once something needs it. */
struct work_info {
	uint64_t id; /* monotonic per home, never reused; names work/<id>/ */
	uint64_t project_id;
	char name[WORK_NAME_MAX + 1];
	uint32_t autocommit_s; /* a fragment after that many quiet seconds; 0: off */
	bool commit_after_exec;
	int64_t created_ns; /* wall; also the time of everything clean in it */
};

enum work_outcome {
	WORK_MISSING = 1, /* no work tree of that name */
	WORK_EXISTS,
	WORK_BAD_NAME,
	WORK_HELD,  /* another process has it open */
	WORK_NEWER, /* written by a newer version */
};

/* Makes one that shows `tree` (zero: empty), owned by uid and gid. Durable. Filling it costs nothing. */
struct work_spec {
	const char *name;
	struct oid tree;
	uid_t uid;
	gid_t gid;
};
int work_create(struct project *p, const struct work_spec *spec, struct work_info *ret);
int work_find(struct project *p, const char *name, struct work_info *ret);
int work_update(struct store *st, const struct work_info *info);
typedef int (*work_info_fn)(const struct work_info *info, void *arg);
int work_each(struct store *st, uint64_t project_id /* 0: all */, work_info_fn fn, void *arg);
/* The caller has closed it. Durable; the bytes are gone. */
int work_remove(struct store *st, uint64_t id);

/* ---- opening ---- */

/* Reads the log and cuts it at its last whole record. 0, WORK_HELD, WORK_NEWER, or a fault. `p` is referenced. */
int work_open(struct project *p, const struct work_info *info, struct work **ret);
struct work *work_ref(struct work *w);
void work_unref(struct work *w); /* the last one closes, compacting the log; NULL is fine */
/* How many references there are, for whoever keeps one to know whether it is the last. */
unsigned work_refs(struct work *w);
const struct work_info *work_info(const struct work *w);
struct project *work_project(struct work *w);

/* What the content was last made to be: by create, switch, snapshot or work_rebase(). */
void work_base(struct work *w, struct oid *tree);

/* ---- inodes ---- */

/* Numbers are 64 bits, never 0, the same after a restart, after copy-up and after a rename, and are given once: a file that a
 * switch replaced gets another. The root's is WORK_ROOT_INO. A number stays good while it is held: lookups and everything else
 * that fills a work_attr for a new name takes one hold, which work_release() gives back. Unlinked inodes live
 * until their last hold is gone. */
struct work_attr {
	uint64_t ino;
	mode_t mode; /* type and permissions */
	nlink_t nlink;
	uid_t uid;
	gid_t gid;
	uint64_t size, blocks /* of 512 bytes */;
	struct timespec atime, mtime, ctime;
	struct oid oid; /* of a clean file, link, directory or gitlink; else zero */
};

struct work_caller {
	uid_t uid;
	gid_t gid;
};

void work_hold(struct work *w, uint64_t ino);
void work_release(struct work *w, uint64_t ino, uint64_t n);

int work_getattr(struct work *w, uint64_t ino, struct work_attr *ret);
/* Takes a hold on success. Refused entries of a hostile tree: EIO. A gitlink is an empty directory. */
int work_lookup(struct work *w, uint64_t dir, const char *name, struct work_attr *ret);

enum work_set {
	WORK_SET_MODE = 1 << 0,
	WORK_SET_UID = 1 << 1,
	WORK_SET_GID = 1 << 2,
	WORK_SET_SIZE = 1 << 3,
	WORK_SET_ATIME = 1 << 4,
	WORK_SET_MTIME = 1 << 5,
	WORK_SET_ATIME_NOW = 1 << 6,
	WORK_SET_MTIME_NOW = 1 << 7,
	WORK_SET_KILL_SUID = 1 << 8, /* drop set-id bits as a write or chown by a user does */
};
/* ctime moves with every change. `ret` may be NULL. */
int work_setattr(struct work *w, uint64_t ino, const struct work_attr *to, unsigned set,
		 struct work_attr *ret);

/* New names. Mode has its umask applied already; set-gid directories hand down their group (and set-gid to
 * directories). Each takes a hold. EEXIST, ENOENT (the directory was removed), ENAMETOOLONG (over 255 bytes). Names git cannot
 * store are fine here; a snapshot says which it left out. */
int work_create_file(struct work *w, uint64_t dir, const char *name, mode_t mode,
		     const struct work_caller *who, struct work_attr *ret);
int work_mkdir(struct work *w, uint64_t dir, const char *name, mode_t mode,
	       const struct work_caller *who, struct work_attr *ret);
int work_mknod(struct work *w, uint64_t dir, const char *name,
	       mode_t mode /* fifo or socket, else EPERM; S_IFREG as create */,
	       const struct work_caller *who, struct work_attr *ret);
int work_symlink(struct work *w, uint64_t dir, const char *name, const char *target,
		 const struct work_caller *who, struct work_attr *ret);
int work_link(struct work *w, uint64_t ino, uint64_t dir, const char *name,
	      struct work_attr *ret);

int work_unlink(struct work *w, uint64_t dir, const char *name);
int work_rmdir(struct work *w, uint64_t dir, const char *name);
/* `flags`: 0, RENAME_NOREPLACE or RENAME_EXCHANGE; else EINVAL. Atomic in memory and in the log. */
int work_rename(struct work *w, uint64_t from, const char *name, uint64_t to,
		const char *new_name, unsigned flags);

/* Names in an order that additions and removals do not disturb; `cookie` goes on after the entry that had it. `fn` returns
 * non-zero to stop; it is called without locks and may call anything here. No dot entries. `attr` is
 * complete when `with_attr`, else only ino and the type in mode; a refused entry has nlink 0 and those two in any case. Takes no holds,
 * but with `with_attr` the number is good while `fn` runs, so that work_hold() there keeps it. */
typedef int (*work_dir_fn)(const char *name, uint64_t cookie, const struct work_attr *attr,
			   void *arg);
int work_readdir(struct work *w, uint64_t dir, uint64_t cookie, bool with_attr, work_dir_fn fn,
		 void *arg);
/* "..": the directory that holds `dir`. The root's is the root. */
int work_parent(struct work *w, uint64_t dir, uint64_t *ret);

/* ---- contents ---- */

/* Lends up to `len` bytes at `off`; shorter only at the end of the file. Native files are lent as a descriptor, blobs as
 * memory or as the descriptor of the extracted cache. End with work_bytes_done(). */
struct work_bytes {
	const void *data; /* NULL: read `len` bytes at `fd_off` of `fd` */
	size_t len;
	int fd;
	uint64_t fd_off;
	void *owner, *owner2;
};
int work_read(struct work *w, uint64_t ino, uint64_t off, size_t len, struct work_bytes *ret);
void work_bytes_done(struct work *w, struct work_bytes *b);

/* All or nothing but for ENOSPC, where `*done` says how much went in. The first one copies a clean file up. EFBIG past
 * what the file system of the home takes. */
int work_write(struct work *w, uint64_t ino, uint64_t off, const void *data, size_t len,
	       size_t *done);
/* The same from a descriptor (a pipe), for splice. */
int work_write_fd(struct work *w, uint64_t ino, uint64_t off, int fd, size_t len, size_t *done);
int work_fallocate(struct work *w, uint64_t ino, int mode, uint64_t off, uint64_t len);
int work_seek(struct work *w, uint64_t ino, uint64_t off, int whence /* SEEK_DATA, SEEK_HOLE */,
	      uint64_t *ret);
/* From a whole clean file into an empty one it copies the reference. */
int work_copy_range(struct work *w, uint64_t from, uint64_t from_off, uint64_t to,
		    uint64_t to_off, uint64_t len, uint64_t *done);
int work_readlink(struct work *w, uint64_t ino, char **ret /* malloc'ed */);
/* Durable: the file's bytes and every operation before this call. Directories too. */
int work_fsync(struct work *w, uint64_t ino, bool data_only);
int work_statfs(struct work *w, struct statvfs *ret);

/* user.* only, else EOPNOTSUPP. `ret` NULL: `*len` is only told. ERANGE, ENODATA, EEXIST as setxattr(2) has them. */
int work_getxattr(struct work *w, uint64_t ino, const char *name, void *ret, size_t *len);
int work_setxattr(struct work *w, uint64_t ino, const char *name, const void *value, size_t len,
		  int flags);
int work_listxattr(struct work *w, uint64_t ino, void *ret, size_t *len);
int work_removexattr(struct work *w, uint64_t ino, const char *name);

/* ---- whole trees ---- */

/* What changed under somebody's feet: name `name` of directory `dir` no longer means what it did, or does not exist any more, or
 * exists now; with `name` NULL the listing and times of `dir` itself. Called without locks, after the change. */
typedef void (*work_moved_fn)(uint64_t dir, const char *name, void *arg);

/* Makes the content `tree`, exactly, but for what is ignored and not in it. Unchanged files keep inode and times; a changed
 * one gets a new inode and the present time, even when its content goes back to what it was; who has the old one
 * open goes on with it. O(changes): an unmodified directory whose tree is the same is not entered, and a new
 * subtree is one record. Atomic: after a kill it is all the old or all the new. Durable.
 * The caller has taken a snapshot before, if it wants one: what is modified and not ignored is gone. `ig` NULL: nothing is ignored.
 * `ig` is asked from this thread while the work tree is locked: what it reads by may look up, read and release here, not change. */
int work_switch(struct work *w, const struct oid *tree, struct gitignore *ig,
		work_moved_fn moved, void *arg);

/* Writes what is modified as blobs and trees, in one pack, durable, and returns the tree of the whole content without what is ignored
 * (a tracked file is never ignored). O(modified). Modified directories that turn out to hold their tree become unmodified.
 * `left_out` is told each path that git cannot store (a spelling of .git, a socket …); may be NULL. The content does not
 * change, and writers go on meanwhile: each file is as it was at one moment of the call. */
struct work_snapshot {
	struct oid tree;
	uint64_t n_files; /* contents that were hashed */
};
typedef void (*work_left_out_fn)(const char *path, const char *why, void *arg);
int work_snapshot(struct work *w, struct gitignore *ig, work_left_out_fn left_out, void *arg,
		  struct work_snapshot *ret);

/* Whether anything may differ from work_base(): one look, no walk. */
bool work_is_modified(struct work *w);

/* What the work tree stands for is `tree` from now on (a commit of it was made); nothing else changes. */
int work_rebase(struct work *w, const struct oid *tree);

/* A path ("a/b", "" is the root), resolved without following links. No hold. */
int work_resolve(struct work *w, const char *path, struct work_attr *ret);
/* The same, with a hold: to go on with the number. */
int work_resolve_hold(struct work *w, const char *path, struct work_attr *ret);
/* The path of an inode by one of its names, malloc'ed; ENOENT when it was unlinked. */
int work_path(struct work *w, uint64_t ino, char **ret);

/* ---- noticing ---- */

/* A number that grows with every change of content, name or mode, and the paths that changed since one. WORK_CHANGES_UNKNOWN: so long ago,
 * or before a restart, that everything may have. Ring of bounded size. `fn` gets directories too. */
enum { WORK_CHANGES_UNKNOWN = 1000 };
uint64_t work_tick(struct work *w);
typedef int (*work_changed_fn)(const char *path, void *arg);
int work_changes_since(struct work *w, uint64_t tick, work_changed_fn fn, void *arg);

/* Called after a change, from the thread that made it, with no lock held; must be quick. One listener. */
void work_on_change(struct work *w, void (*fn)(struct work *w, void *arg), void *arg);

DEFINE_CLEANUP(struct work *, work_unref)
