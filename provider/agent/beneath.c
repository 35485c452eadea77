/* provider/agent/beneath.c - openat2 and a directory kept open.
 *
 * The system call's structure is declared here, since static C libraries come without the kernel's
 * headers. A kernel without openat2 (before 5.6) makes every call fail with ENOSYS, which is
 * said and not worked around: the guard is the point.
 */
#include "provider/agent/beneath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* struct open_how and the bits of its `resolve`, as in linux/openat2.h */
struct how {
	uint64_t flags, mode, resolve;
};

enum { NO_MAGICLINKS = 0x02, NO_SYMLINKS = 0x04, BENEATH = 0x08 };

enum { WIPE_DEPTH = 256 };

void beneath_init(struct beneath *b, int root)
{
	*b = (struct beneath){.root = root, .fd = -1};
}

void beneath_forget(struct beneath *b)
{
	close_p(&b->fd);
	b->fd = -1;
}

void beneath_deinit(struct beneath *b)
{
	beneath_forget(b);
}

int beneath_open(int dirfd, const char *path, int flags, mode_t mode)
{
	struct how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = BENEATH | NO_SYMLINKS | NO_MAGICLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

int beneath_dir(struct beneath *b, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	int fd;

	*name = slash ? slash + 1 : path;
	if (!len)
		return b->root;
	if (len >= sizeof(b->dir))
		return -ENAMETOOLONG;
	if (b->fd >= 0 && b->len == len && !memcmp(b->dir, path, len))
		return b->fd;
	beneath_forget(b);
	memcpy(b->dir, path, len);
	b->dir[len] = '\0';
	b->len = len;
	fd = beneath_open(b->root, b->dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0)
		b->fd = fd;
	return fd;
}

/* Makes the directories of `path` one by one, from the top. */
static int make_each(int root, char *path)
{
	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		char *before, *name;
		int parent = root, r = 0;

		*p = '\0';
		before = strrchr(path, '/');
		name = before ? before + 1 : path;
		if (before) {
			*before = '\0';
			parent = beneath_open(root, path, O_RDONLY | O_DIRECTORY, 0);
			*before = '/';
		}
		if (parent < 0 || (mkdirat(parent, name, 0755) && errno != EEXIST))
			r = parent < 0 ? parent : -errno;
		if (before)
			close_p(&parent);
		*p = '/';
		if (r)
			return r;
	}
	return 0;
}

int beneath_make_parents(struct beneath *b, const char *path)
{
	char part[4096];
	const char *name;
	size_t len = strlen(path);
	int fd = beneath_dir(b, path, &name);

	if (fd >= 0 || fd != -ENOENT)
		return fd < 0 ? fd : 0;
	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	return make_each(b->root, part);
}

int beneath_stat(struct beneath *b, const char *path, struct stat *ret)
{
	const char *name;
	int fd = beneath_dir(b, path, &name);

	if (fd < 0)
		return fd;
	return fstatat(fd, name, ret, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

int beneath_rename(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	return syscall(SYS_renameat2, from_dir, from, to_dir, to, flags) ? -errno : 0;
}

static int wipe(int dirfd, const char *name, int depth);

static int wipe_inside(int fd, int depth)
{
	CLEANUP(closedirp) DIR *dir = fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (!r && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			r = wipe(fd, e->d_name, depth + 1);
	return r;
}

static int wipe(int dirfd, const char *name, int depth)
{
	int fd, r;

	if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth > WIPE_DEPTH)
		return -ELOOP;
	fd = beneath_open(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = wipe_inside(fd, depth);
	if (r)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) && errno != ENOENT ? -errno : 0;
}

int beneath_wipe(int dirfd, const char *name)
{
	return wipe(dirfd, name, 0);
}
