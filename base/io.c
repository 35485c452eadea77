/* Reading, writing and replacing files whole.
 *
 * io_replace() is the one way small files of ours change: the new content is synced
 * under a temporary name before it takes the real one, and the directory is synced after,
 * so that a power cut leaves the old file or the new one. Removal and opening go through
 * descriptors and refuse links, because directories of ours may hold names that a
 * stranger chose. He also chose their depth: removal holds a bounded number of descriptors, and
 * moves what lies deeper up before it goes on.
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

enum {
	REMOVE_DEPTH_MAX = 64, /* a descriptor and a stack frame each */
	BENEATH_TRIES = 64, /* the kernel asks to try again when a rename raced with the walk */
};

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
	const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	CLEANUP(close_p) int fd = openat(dirfd, path, flags);
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT)
		return IO_MISSING;
	if (fd < 0 || fstat(fd, &st))
		return fail(-errno, "open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return fail(S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL, "read '%s'", path);
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

	/* Two threads may replace the same file: each has a temporary name of its own. */
	if (snprintf(tmp, sizeof(tmp), "%s.tmp.%ld", path, (long)gettid()) >= (int)sizeof(tmp))
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
	for (char *p = part; *p; p++) {
		if (*p != '/' || p == part)
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
	long fd = -1;

	for (int i = 0; i < BENEATH_TRIES; i++) {
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EINTR && errno != EAGAIN))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

/* One removal: `top` is the directory being removed, where what lies too deep is moved to. */
struct removal {
	int top;
	unsigned n_moved;
};

static int remove_entries(struct removal *rm, int fd, const char *path, unsigned depth);

/* Opens a directory for reading, also one whose owner took the permission away from himself. */
static int open_own_dir(int dirfd, const char *name)
{
	const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	CLEANUP(close_p) int fd = openat(dirfd, name, O_RDONLY | flags);
	char link[32];

	if (fd >= 0 || errno != EACCES)
		return fd < 0 ? -errno : TAKE_FD(fd);
	fd = openat(dirfd, name, O_PATH | flags);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (fd < 0 || chmod(link, 0700))
		return -EACCES;
	close(TAKE_FD(fd));
	fd = openat(dirfd, name, O_RDONLY | flags);
	return fd < 0 ? -errno : TAKE_FD(fd);
}

static int move_up(struct removal *rm, int dirfd, const char *name)
{
	char to[32];
	int r;

	do {
		(void)snprintf(to, sizeof(to), "moved-up.%u", rm->n_moved++);
		r = renameat2(dirfd, name, rm->top, to, RENAME_NOREPLACE);
	} while (r && errno == EEXIST);
	return r ? fail(-errno, "move '%s' out of the depth", name) : 0;
}

static int remove_one(struct removal *rm, int dirfd, const char *name, unsigned depth)
{
	int fd, r;

	if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return fail(-errno, "remove '%s'", name);
	if (!unlinkat(dirfd, name, AT_REMOVEDIR) || errno == ENOENT)
		return 0;
	if (depth == REMOVE_DEPTH_MAX)
		return move_up(rm, dirfd, name);
	fd = open_own_dir(dirfd, name);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fail(fd, "open directory '%s'", name);
	r = remove_entries(rm, fd, name, depth + 1);
	if (r)
		return r;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) && errno != ENOENT)
		return fail(-errno, "remove directory '%s'", name);
	return 0;
}

/* Takes `fd` over. */
static int remove_entries(struct removal *rm, int fd, const char *path, unsigned depth)
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
		r = remove_one(rm, fd, e->d_name, depth);
		if (r)
			return r;
	}
	return 0;
}

int io_remove_tree(int dirfd, const char *path)
{
	CLEANUP(close_p) int top = -1;
	struct removal rm = {0};
	unsigned was;
	int r;

	if (!unlinkat(dirfd, path, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return fail(-errno, "remove '%s'", path);
	top = open_own_dir(dirfd, path);
	if (top < 0)
		return top == -ENOENT ? 0 : fail(top, "open directory '%s'", path);
	rm.top = top;
	do {
		int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		was = rm.n_moved;
		if (fd < 0)
			return fail(-errno, "open directory '%s'", path);
		r = remove_entries(&rm, fd, path, 0);
		if (r)
			return r;
	} while (rm.n_moved != was);
	if (unlinkat(dirfd, path, AT_REMOVEDIR) && errno != ENOENT)
		return fail(-errno, "remove directory '%s'", path);
	return 0;
}
