/* tools/mounts.h - what is mounted where, and who keeps it busy.
 */
#pragma once

#include <stdbool.h>

struct buf;

#define MOUNTS_TYPE "fuse.frag"

enum mounts_outcome {
	MOUNTS_NONE = 1, /* nothing is mounted there */
	MOUNTS_BUSY,     /* somebody has it in use */
};

struct mount {
	char *point, *type, *source;
};

void mount_deinit(struct mount *m);

/* The mount whose root is `path` (absolute, without links); of several on top of each other the upper one. 0, MOUNTS_NONE, or
 * a fault. Free `ret` with mount_deinit(). */
int mounts_at(const char *path, struct mount *ret);

/* The mount of our type that `path` lies in. */
int mounts_around(const char *path, struct mount *ret);

/* An absolute path of `dir` without links in it; the last component is not looked at, so the root of a dead
 * mount can be named. NULL with errno when a component above it is missing. Free it. */
char *mounts_path(const char *dir);

/* Unmounts; `lazy` also when in use. As root by the system call, else through fusermount3. 0, MOUNTS_BUSY, MOUNTS_NONE,
 * or a fault. */
int mounts_detach(const char *path, bool lazy);

/* Appends "1234 (bash), 99 (vim)" for processes with a file or directory below `path` in use. True if there were any. */
bool mounts_users(const char *path, struct buf *b);
