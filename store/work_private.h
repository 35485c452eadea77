/* store/work_private.h - what the files of a work tree share.
 *
 * A *node* is an inode that is known: an explicit one, which the log has, or a clean one that somebody holds, or
 * the directories above one. Clean and unheld ones are not in memory at all. Nodes hang from names, names from the
 * directory they stand in; a directory's table also has its whiteouts (a name of the base tree that is gone).
 *
 * Every change is one transaction (struct work_txn): the new records are staged, appended to the log as one frame,
 * and only then applied. Replaying the log applies the same items by the same functions.
 *
 * One lock, `lock`, guards all of it; bytes of files are read and written outside it. Who works on a file's bytes
 * is counted in `n_writers`, and who wants them to stand still sets `still` and waits for none.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/tree.h"
#include "store/work.h"

enum { WORK_LINK_MAX = 65000, WORK_XATTRS_MAX = 256 << 10, WORK_FDS = 256 };

/* Derived numbers have it, counted ones do not. */
#define WORK_DERIVED ((uint64_t)1 << 63)

enum work_flags {
	WORK_NATIVE = 1 << 0,   /* a file whose bytes are in files/; with an oid they are that blob's */
	WORK_MODIFIED = 1 << 1, /* a directory that may hold something else than its base */
	WORK_IMPURE = 1 << 2,   /* a directory with ignored things somewhere below */
	WORK_GITLINK = 1 << 3,  /* a directory that stands for a submodule; `oid` is its commit */
	WORK_FLAGS = 15,
};

/* Bytes shared by records; counted under the lock, or owned by one thread. */
struct work_text {
	uint32_t refs, len;
	char data[];
};

/* What the log keeps about an inode. Times are nanoseconds since 1970. */
struct work_rec {
	uint64_t ino;
	uint32_t mode, uid, gid, nlink, flags;
	struct oid oid; /* a directory's base tree; a clean file's or link's blob */
	int64_t atime, mtime, ctime;
	uint64_t size; /* of a file without native bytes, of a link; a directory's stamp */
	struct work_text *target; /* of a link that is in no tree yet */
	struct work_text *xattrs; /* NULL when there are none */
};

struct work_node {
	struct work_rec r;
	struct work_name *names;   /* all of its links; NULL for the root and for orphans */
	struct work_names *kids;   /* of a directory; NULL until there are any */
	struct work_rec *staged;   /* its next record, while a transaction is made */
	uint32_t holds, n_writers; /* both keep it */
	uint32_t changes; /* grows with each change of its bytes, or of anything below it */
	uint32_t snapped; /* its place in the snapshot being made, from 1 */
	bool is_explicit, is_orphan;
	bool is_unborn;   /* native, but no file was made yet: empty */
	bool is_unsynced; /* its native file's name was not synced */
	bool copying, still;
};

/* An entry of a directory. */
struct work_name {
	struct work_name *next_link;
	struct work_node *dir, *node; /* node NULL: a whiteout */
	uint32_t hash;
	uint8_t len;
	bool is_counted; /* in n_names: the log has it */
	char text[];
};

struct work_names {
	struct work_name **slots;
	uint32_t cap, n;
};

struct work_fds;
struct work_graves;
struct work_orders;
struct work_ticks;

struct work {
	struct project *project;
	struct work_info info;
	pthread_mutex_t ref_lock;
	unsigned refs;
	int dir_fd, files_fd, lock_fd;

	pthread_mutex_t lock;
	pthread_cond_t moved; /* n_writers, copying or still changed */
	struct work_node **nodes;
	size_t n_nodes, nodes_cap;
	struct work_node *root;
	uint64_t next_ino;
	struct oid base;
	size_t n_explicit, n_names, name_bytes; /* what a compacted log would have */

	struct {
		int fd;
		uint64_t len, seq;
		uint64_t synced; /* bytes that a cut of the power leaves */
		uint64_t generation; /* how often it was written anew */
		bool broken;     /* a torn frame could not be taken back: nothing more is promised */
		bool dirs_unsynced;
		struct buf frame;
	} log;

	struct work_fds *fds;
	struct work_graves *graves;
	struct work_orders *orders;
	struct work_ticks *ticks;
	void (*on_change)(struct work *w, void *arg);
	void *on_change_arg;
};

/* ---- work_info.c ---- */

/* What the record in state/ says beside the info: what a work tree is made to show when it has no log yet. */
struct work_born {
	struct oid tree;
	uid_t uid;
	gid_t gid;
};

int work_info_encode(const struct work_info *info, const struct work_born *born, struct buf *b);
/* 0, STATE_NEWER or STATE_BAD; silent. The ids are the caller's business. */
int work_info_decode(const void *val, size_t len, struct work_info *info,
		     struct work_born *born);
/* How it was made. 0, WORK_MISSING, or a fault. */
int work_born_read(struct store *st, const struct work_info *info, struct work_born *ret);
void work_dir_path(uint64_t id, char ret[32]); /* "work/<id>" */

/* ---- work_node.c ---- */

struct work_text *work_text_new(const void *data, size_t len);
struct work_text *work_text_ref(struct work_text *t); /* NULL is fine */
void work_text_unref(struct work_text *t);
/* Drops what a record shares. */
void work_rec_deinit(struct work_rec *r);

struct work_node *work_node_find(struct work *w, uint64_t ino);
struct work_node *work_node_add(struct work *w, uint64_t ino);
/* Forgets a node that nothing needs, and then perhaps the directories above it. */
void work_node_settle(struct work *w, struct work_node *n);
void work_nodes_deinit(struct work *w);

uint32_t work_name_hash(const char *name, size_t len);
struct work_name *work_name_find(const struct work_node *dir, const char *name, size_t len);
/* Makes the name mean `node` (NULL: a whiteout); what it meant before loses it. */
void work_name_set(struct work *w, struct work_node *dir, const char *name, size_t len,
		   struct work_node *node);
void work_name_drop(struct work *w, struct work_name *e);

static inline struct work_node *work_parent_node(const struct work_node *n)
{
	return n->names ? n->names->dir : NULL;
}

static inline bool work_is_dir(const struct work_node *n)
{
	return S_ISDIR(n->r.mode);
}

/* ---- work_txn.c ---- */

enum work_name_kind { WORK_NAME_SET, WORK_NAME_WHITE, WORK_NAME_DROP };

struct work_name_item {
	enum work_name_kind kind;
	uint64_t dir, ino;
	size_t len;
	char *name;
};

struct work_txn {
	struct work *w;
	int64_t now;
	struct work_rec **recs;
	struct work_name_item *names;
	struct work_node **gone;
	size_t n_recs, recs_cap, n_names, names_cap, n_gone, gone_cap;
	const struct oid *base; /* NULL: stays */
};

void work_txn_init(struct work_txn *t, struct work *w);
void work_txn_deinit(struct work_txn *t);
/* The next record of a node, to be altered; makes it and the directories above it explicit. */
struct work_rec *work_txn_rec(struct work_txn *t, struct work_node *n);
/* The record of an inode that is to be. */
struct work_rec *work_txn_new(struct work_txn *t);
/* Something in or below the directory is no longer as its base tree has it. */
void work_txn_modified(struct work_txn *t, struct work_node *dir);
/* The same of all directories that hold `n`. */
void work_txn_modified_above(struct work_txn *t, struct work_node *n);
/* A name came or went: times too. */
struct work_rec *work_txn_touched(struct work_txn *t, struct work_node *dir);
void work_txn_name(struct work_txn *t, const struct work_node *dir, const char *name,
		   uint64_t ino);
/* Takes a name away: a whiteout where the base tree has it, else nothing is left. */
int work_txn_unname(struct work_txn *t, struct work_node *dir, const char *name);
void work_txn_drop(struct work_txn *t, const struct work_node *dir, const char *name);
void work_txn_gone(struct work_txn *t, struct work_node *n);
/* Appends and applies, or neither. 0 or a fault. */
int work_txn_commit(struct work_txn *t);

/* The appliers, for replay. */
struct work_node *work_apply_rec(struct work *w, const struct work_rec *r);
void work_apply_name(struct work *w, enum work_name_kind kind, struct work_node *dir,
		     const char *name, size_t len, struct work_node *node);
void work_apply_gone(struct work *w, struct work_node *n);

/* ---- work_log.c ---- */

/* Opens or makes the log, replays it and cuts it. 0, WORK_NEWER or a fault. */
int work_log_open(struct work *w, const struct work_rec *root, const struct oid *base);
void work_log_close(struct work *w);
/* Appends what stands in w->log.frame behind its head. */
int work_log_append(struct work *w);
/* Everything appended before this call survives a cut of the power. Called without the lock. */
int work_log_sync(struct work *w);
/* Writes it anew when it has grown to twice what it needs; `now` does it in any case. */
int work_log_compact(struct work *w, bool now);
void work_frame_begin(struct work *w);

/* ---- work_dir.c ---- */

/* The base listing of a directory; NULL when it has none. 0, EIO, or a fault. */
int work_listing(struct work *w, const struct work_node *dir, const struct tree_list **ret);
/* What `name` means: a node, which is known from now on until it is settled. 0, ENOENT, EIO, or a fault. */
int work_step(struct work *w, struct work_node *dir, const char *name, struct work_node **ret);
/* A directory that can be looked into: 0, ENOTDIR, ENOENT (orphans), ESTALE. */
int work_dir_node(struct work *w, uint64_t ino, struct work_node **ret);
uint64_t work_derive(uint64_t dir, const char *name);
/* Fetches the base listing of a directory into memory, outside the lock. */
void work_warm(struct work *w, uint64_t dir);
/* The node of a base entry that has no name of its own yet. */
int work_derived(struct work *w, struct work_node *dir, const struct tree_entry *e,
		 struct work_node **ret);
/* The record a clean entry has. */
void work_clean_rec(const struct work *w, const struct work_node *dir,
		    const struct tree_entry *e, struct work_rec *ret);
int work_count_dirs(struct work *w, const struct oid *tree, uint32_t *ret);
/* No entries at all. 0, ENOTEMPTY, or a fault. */
int work_is_empty(struct work *w, struct work_node *dir);

/* ---- work_order.c ---- */

struct work_orders *work_orders_new(void);
void work_orders_free(struct work_orders *o);
void work_orders_added(struct work *w, const struct work_node *dir, const char *name);
void work_orders_forget(struct work *w, const struct work_node *dir);

/* ---- work_attr.c ---- */

int64_t work_now(void);
struct timespec work_timespec(int64_t ns);
/* The record with what its native file says of size and times. 0 or a fault. */
int work_current(struct work *w, const struct work_node *n, struct work_rec *ret,
		 uint64_t *blocks);
/* The attributes, native ones included. 0 or a fault. */
int work_attr_of(struct work *w, struct work_node *n, struct work_attr *ret);

/* ---- work_fds.c ---- */

struct work_fd;
struct work_fds *work_fds_new(void);
void work_fds_free(struct work_fds *f);
/* A descriptor of the native file; give it back with work_fd_put(). A missing one is made, or is -ENOENT, silent: a file that
 * was created and never written to has none. 0 or a fault. */
int work_fd_get(struct work *w, uint64_t ino, bool make, struct work_fd **ret);
int work_fd_of(const struct work_fd *f);
void work_fd_put(struct work *w, struct work_fd *f);
/* Closes it if nobody uses it. */
void work_fds_forget(struct work *w, uint64_t ino);
enum { WORK_NATIVE_PATH = 24 };
void work_native_path(uint64_t ino, char ret[WORK_NATIVE_PATH]);
int work_native_stat(struct work *w, uint64_t ino, struct stat *ret); /* -ENOENT is silent */

DEFINE_CLEANUP(struct work_fds *, work_fds_free)

/* ---- work_graves.c ---- */

struct work_graves *work_graves_new(void);
void work_graves_free(struct work_graves *g);
/* Its native file may go once the log says so durably; lock held. */
void work_bury(struct work *w, uint64_t ino);
/* Syncs the log and removes them when they are many; without the lock. */
void work_dig(struct work *w, bool all);

/* ---- work_file.c ---- */

/* The node of a regular file. 0, EISDIR, EINVAL, ESTALE; lock held. */
int work_file_node(struct work *w, uint64_t ino, struct work_node **ret);
/* Makes the file native and dirty, with the first `keep` bytes it has, and enters the caller as a writer. Lock held, given up
 * in between. End with work_write_end(). */
int work_write_begin(struct work *w, struct work_node *n, uint64_t keep);
void work_write_end(struct work *w, struct work_node *n);

/* ---- work_copy_up.c ---- */

int work_copy_up(struct work *w, struct work_node *n, uint64_t keep);

/* ---- work_ticks.c ---- */

struct work_ticks *work_ticks_new(void);
void work_ticks_free(struct work_ticks *t);
void work_note(struct work *w, const struct work_node *dir, const char *name); /* lock held */
void work_note_node(struct work *w, const struct work_node *n);
/* Everything may have changed. */
void work_note_all(struct work *w);
void work_tell(struct work *w); /* the listener; no lock held */
