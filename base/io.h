/* base/io.h - whole reads and writes, and files that survive a power cut.
 *
 * Paths are relative to a directory descriptor. Faults are logged here, with `what`
 * being the path.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

/* All of `len` bytes or a negative errno (silent: the caller knows what it wrote). */
int io_write_all(int fd, const void *data, size_t len);

/* Until `len` bytes or the end; returns how many, or a negative errno (silent). */
ssize_t io_read_all(int fd, void *data, size_t len);

/* Appends the rest of `fd` to `b`; -E2BIG past its ceiling (silent). */
int io_slurp_fd(int fd, struct buf *b);

/* Appends a regular file, never following a link at its last component.
 * 0, IO_MISSING, or a fault. */
enum io_outcome { IO_MISSING = 1 };
int io_slurp(int dirfd, const char *path, struct buf *b);

/* Replaces `path` durably: writes beside it, fsyncs, renames, fsyncs the directory. */
int io_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode);

/* fsync of the directory `path` under `dirfd` ("." for dirfd itself). */
int io_sync_dir(int dirfd, const char *path);

/* mkdir that may exist already, as a directory. */
int io_mkdir(int dirfd, const char *path, mode_t mode);

/* mkdir -p below `dirfd`. */
int io_mkdirs(int dirfd, const char *path, mode_t mode);

/* Opens below `dirfd` without ever following a symbolic link or leaving it
 * (openat2 RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS). An fd or a negative errno (silent). */
int io_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* rm -rf below `dirfd`, following nothing; a missing path is fine. */
int io_remove_tree(int dirfd, const char *path);
