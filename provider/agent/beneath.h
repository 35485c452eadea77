/* provider/agent/beneath.h - names below a directory, reached without following a link.
 *
 * Whatever runs in the sandbox may put a link where a directory stood a moment ago. Every path is therefore
 * opened by openat2 below a directory descriptor, and the directory that holds a name is opened once and
 * used by descriptor from then on. One directory is remembered, since sweeps go in the
 * order of paths.
 */
#pragma once

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct beneath {
	int root; /* borrowed */
	int fd;   /* of `dir`, or -1 */
	size_t len;
	char dir[4096];
};

void beneath_init(struct beneath *b, int root);
void beneath_deinit(struct beneath *b);

/* Forgets the remembered directory: something moved. */
void beneath_forget(struct beneath *b);

/* An fd or a negative errno: -ELOOP or -EXDEV for a link on the way. */
int beneath_open(int dirfd, const char *path, int flags, mode_t mode);

/* The directory that holds `path`, borrowed until the next call; `*name` is the last component.
 * An fd or a negative errno. */
int beneath_dir(struct beneath *b, const char *path, const char **name);

/* Makes the directories above `path` that are missing. 0 or a negative errno. */
int beneath_make_parents(struct beneath *b, const char *path);

/* lstat of `path`. 0 or a negative errno. */
int beneath_stat(struct beneath *b, const char *path, struct stat *ret);

/* Swaps two names, or renames where nothing may stand (flags of renameat2). 0 or a negative errno. */
enum { BENEATH_NOREPLACE = 1, BENEATH_EXCHANGE = 2 };
int beneath_rename(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);

/* Removes a tree of the agent's own, 256 levels deep at most. 0 or a negative errno. */
int beneath_wipe(int dirfd, const char *name);
