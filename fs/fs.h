/* fs/fs.h - one mount of a home.
 *
 * Owns the FUSE session, its worker threads, the follower (which watches the repositories and refreshes the
 * index) and the one thread that sends invalidations to the kernel.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fs;
struct json_out;
struct moves;
struct store;
struct work;

struct fs_config {
	const char *mountpoint; /* absolute, an existing directory */
	const char *options;    /* comma-separated mount options for libfuse, may be NULL */
	bool allow_other;       /* implies default_permissions */
};

enum fs_outcome {
	FS_NOT_EMPTY = 1, /* the mount point is not an empty directory */
	FS_INSIDE_HOME,   /* the mount point is in the home, or the home below it */
	FS_MOUNTED, /* something is mounted there already that is not a dead mount of ours */
	FS_NO_FUSE, /* /dev/fuse or the right to mount is missing; said in the log */
	FS_NO_WORK, /* there is no such project or work tree */
};

/* Mounts. SIGTERM, SIGINT and SIGHUP are blocked from here on in the calling thread, and so in every thread it starts
 * later: fs_serve() takes them. A dead mount of ours (ENOTCONN, type fuse.frag) in the way is detached first. 0, an outcome, or a fault. */
int fs_mount(struct store *st, const struct fs_config *config, struct fs **ret);

/* Serves until fs_stop(), an unmount from outside, or SIGTERM/SIGINT/SIGHUP. 0 or a fault. `ready` is called
 * once the mount answers. */
int fs_serve(struct fs *fs, void (*ready)(void *arg), void *arg);

/* Ends fs_serve(); from any thread, also from a signal handler. */
void fs_stop(struct fs *fs);

/* Unmounts if that has not happened, and frees. */
void fs_free(struct fs *fs);

/* Refs, HEAD or the list of projects may have changed (`project` NULL: any): what the kernel caches of it is
 * invalidated before this returns. Not from a FUSE worker. For verbs that the daemon carries out. */
int fs_follow_now(struct fs *fs, const char *project);

/* A work tree for the daemon's verbs: the mount has it open, being its one owner. `live` is made when there is none. Pass
 * fs_work_moved() and the struct as the work_moved_fn of whatever changes content; fs_work_end() returns when the kernel has
 * forgotten what that made untrue. Not from a FUSE worker. 0, FS_NO_WORK, or a fault. */
struct fs_work {
	struct work *work;
	struct moves *moves;
	struct fs *fs;
};
int fs_work_begin(struct fs *fs, const char *project, const char *name, struct fs_work *ret);
void fs_work_moved(uint64_t dir, const char *name, void *fs_work);
void fs_work_end(struct fs_work *w);

/* Called after a project's refs or HEAD moved, on a thread of the follower's; for two projects perhaps at once.
 * Set before fs_serve(). */
void fs_on_change(struct fs *fs, void (*fn)(const char *project, void *arg), void *arg);

/* Called after each change of a project's live work tree, by the thread that made it, a FUSE worker perhaps: must be quick. Set before
 * fs_serve(). */
void fs_on_edit(struct fs *fs, void (*fn)(const char *project, void *arg), void *arg);

/* What a project's .frag/status.json says of its mirror: `fn` writes exactly one JSON value. On a worker, so it must
 * neither wait for long nor touch the mount. Set before fs_serve(). */
void fs_on_status(struct fs *fs, void (*fn)(const char *project, struct json_out *o, void *arg),
		  void *arg);

/* Requests answered since the mount, in all and per FUSE opcode name, for proofs and stats. Forgets are
 * counted by name only: they have no answer and come when the kernel likes. */
struct fs_counter {
	const char *name;
	uint64_t n;
};
uint64_t fs_requests(const struct fs *fs, struct fs_counter *ret, unsigned max, unsigned *n);
