/* Reading, writing and replacing files whole.
 *
 * io_replace() is the one way small files of ours change: the new content is synced
 * under a temporary name before it takes the real one, and the directory is synced after,
 * so that a power cut leaves the old file or the new one. Removal and opening go through
 * descriptors and refuse links, because directories of ours may hold names that a
 * stranger chose.
 */
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

int io_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t io_read_all(int fd, void *data, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = read(fd, (char *)data + have, len - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

int io_slurp_fd(int fd, struct buf *b)
{
	for (;;) {
		size_t room = b->limit - b->len < 65536 ? b->limit - b->len : 65536;
		char probe;
		ssize_t n;
		int r;

		if (!room) {
			n = io_read_all(fd, &probe, 1);
			return n < 0 ? (int)n : n ? -E2BIG : 0;
		}
		r = buf_reserve(b, room);
		if (r)
			return r;
		n = io_read_all(fd, b->data + b->len, room);
		if (n < 0)
			return (int)n;
		b->len += (size_t)n;
		b->data[b->len] = '\0';
		if ((size_t)n < room)
			return 0;
	}
}

int io_slurp(int dirfd, const char *path, struct buf *b)
{
	CLEANUP(close_p) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0 && errno == ENOENT)
		return IO_MISSING;
	if (fd < 0)
		return fail(-errno, "open '%s'", path);
	r = io_slurp_fd(fd, b);
	return r ? fail(r, "read '%s'", path) : 0;
}

int io_sync_dir(int dirfd, const char *path)
{
	CLEANUP(close_p) int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fail(-errno, "open directory '%s'", path);
	if (fsync(fd))
		return fail(-errno, "sync directory '%s'", path);
	return 0;
}

static int sync_parent(int dirfd, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];

	if (!slash)
		return io_sync_dir(dirfd, ".");
	if ((size_t)(slash - path) >= sizeof(dir))
		return fail(-ENAMETOOLONG, "sync parent of '%s'", path);
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	return io_sync_dir(dirfd, slash == path ? "/" : dir);
}

static int write_synced(int fd, const void *data, size_t len)
{
	int r = io_write_all(fd, data, len);

	if (!r && fsync(fd))
		r = -errno;
	return r;
}

int io_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode)
{
	CLEANUP(close_p) int fd = -1;
	char tmp[4096];
	int r;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp.%ld", path, (long)getpid()) >= (int)sizeof(tmp))
		return fail(-ENAMETOOLONG, "replace '%s'", path);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return fail(-errno, "create '%s'", tmp);
	r = write_synced(fd, data, len);
	if (!r && renameat(dirfd, tmp, dirfd, path))
		r = -errno;
	if (r) {
		(void)unlinkat(dirfd, tmp, 0);
		return fail(r, "replace '%s'", path);
	}
	return sync_parent(dirfd, path);
}

int io_mkdir(int dirfd, const char *path, mode_t mode)
{
	struct stat st;

	if (!mkdirat(dirfd, path, mode))
		return 0;
	if (errno == EEXIST && !fstatat(dirfd, path, &st, 0) && S_ISDIR(st.st_mode))
		return 0;
	return fail(-errno, "make directory '%s'", path);
}

int io_mkdirs(int dirfd, const char *path, mode_t mode)
{
	char part[4096];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return fail(-ENAMETOOLONG, "make directory '%s'", path);
	memcpy(part, path, len + 1);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdirat(dirfd, part, mode) && errno != EEXIST)
			return fail(-errno, "make directory '%s'", part);
		*p = '/';
	}
	return io_mkdir(dirfd, path, mode);
}

int io_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

static int remove_entries(int fd, const char *path);

static int remove_one(int dirfd, const char *name)
{
	CLEANUP(close_p) int fd = -1;
	int r;

	if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return fail(-errno, "remove '%s'", name);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(-errno, "open directory '%s'", name);
	r = remove_entries(TAKE_FD(fd), name);
	if (r)
		return r;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) && errno != ENOENT)
		return fail(-errno, "remove directory '%s'", name);
	return 0;
}

/* Takes `fd` over. Recursion is as deep as the tree; trees of ours are bounded. */
static int remove_entries(int fd, const char *path)
{
	CLEANUP(closedirp) DIR *dir = fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		close(fd);
		return fail(-ENOMEM, "read directory '%s'", path);
	}
	while ((e = readdir(dir))) {
		int r;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = remove_one(fd, e->d_name);
		if (r)
			return r;
	}
	return 0;
}

int io_remove_tree(int dirfd, const char *path)
{
	return remove_one(dirfd, path);
}
