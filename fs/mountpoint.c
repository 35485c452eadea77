/* fs/mountpoint.c - whether we may mount there, and clearing away a dead mount of ours.
 *
 * A killed daemon leaves a mount on which every call is ENOTCONN; libfuse would put a second layer on top of it. Only a
 * mount of our own type that is dead is ever detached; anything else is somebody's and stays.
 */
#include "fs/mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proc.h"
#include "fs/fs.h"

enum { MOUNTINFO_MAX = 16 << 20, POINT_FIELD = 5 };

/* Mount points are written with \ooo for blank, tab, newline and backslash. */
static bool same_path(const char *escaped, size_t len, const char *path)
{
	size_t i = 0;

	for (; i < len && *path; i++, path++) {
		unsigned char c = (unsigned char)escaped[i];

		if (c == '\\' && i + 3 < len) {
			c = (unsigned char)((escaped[i + 1] - '0') << 6 |
					    (escaped[i + 2] - '0') << 3 |
					    (escaped[i + 3] - '0'));
			i += 3;
		}
		if (c != (unsigned char)*path)
			return false;
	}
	return i == len && !*path;
}

/* The n-th blank-separated field of a line, from 1; NULL when there are fewer. */
static const char *field(const char *line, const char *end, int n, size_t *len)
{
	for (; n > 1; n--) {
		line = memchr(line, ' ', (size_t)(end - line));
		if (!line)
			return NULL;
		line++;
	}
	*len = 0;
	while (line + *len < end && line[*len] != ' ')
		++*len;
	return line;
}

static bool line_is_ours(const char *line, const char *end)
{
	static const char mark[] = " - fuse.frag ";
	const char *dash = memmem(line, (size_t)(end - line), " - ", 3);

	return dash && (size_t)(end - dash) >= sizeof(mark) - 1 &&
	       !memcmp(dash, mark, sizeof(mark) - 1);
}

bool mountpoint_find(const char *info, const char *path, bool *is_ours)
{
	bool found = false;

	/* Later lines lie on top of earlier ones. */
	while (*info) {
		const char *end = strchrnul(info, '\n'), *point;
		size_t len;

		point = field(info, end, POINT_FIELD, &len);
		if (point && same_path(point, len, path)) {
			found = true;
			*is_ours = line_is_ours(info, end);
		}
		info = *end ? end + 1 : end;
	}
	return found;
}

static int mounted_at(const char *path, bool *is_ours, bool *ret)
{
	CLEANUP(close_p) int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	CLEANUP(buf_deinit) struct buf b;
	int r;

	buf_init(&b, MOUNTINFO_MAX);
	r = fd < 0 ? -errno : io_slurp_fd(fd, &b);
	if (r)
		return fail(r, "mount: read /proc/self/mountinfo");
	*ret = mountpoint_find(b.data, path, is_ours);
	return 0;
}

int mountpoint_detach(const char *path)
{
	const char *argv[] = {"fusermount3", "-u", "-z", "--", path, NULL};
	struct proc child = {
		.argv = argv, .cwd_fd = -1, .in_fd = -1, .out_fd = -1, .err_fd = -1};
	pid_t pid;
	int r;

	if (!umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW))
		return 0;
	if (errno != EPERM)
		return fail(-errno, "mount: detach '%s'", path);
	r = proc_start(&child, &pid);
	if (!r)
		r = proc_wait(pid);
	return r > 0 ? fail(-EPERM, "mount: 'fusermount3 -uz %s' ended with status %d", path, r)
		     : r;
}

/* `path` of a dead mount cannot be resolved; that of its parent can. */
static char *resolve(const char *path)
{
	char full[PATH_MAX];
	CLEANUP(free_p) char *copy = alloc_str(path);
	char *slash;

	if (realpath(path, full))
		return alloc_str(full);
	if (errno != ENOTCONN)
		return NULL;
	while (strlen(copy) > 1 && copy[strlen(copy) - 1] == '/')
		copy[strlen(copy) - 1] = '\0';
	slash = strrchr(copy, '/');
	if (!slash || slash == copy)
		return alloc_str(copy);
	*slash = '\0';
	return realpath(copy, full) ? alloc_fmt("%s/%s", full, slash + 1) : NULL;
}

/* stat may still be answered from the kernel's memory; statfs always asks. */
static bool is_dead(const char *path)
{
	struct statfs st;

	/* The second while its daemon is just dying. */
	return statfs(path, &st) && (errno == ENOTCONN || errno == ECONNABORTED);
}

static int check_empty(const char *path)
{
	CLEANUP(closedirp) DIR *d = opendir(path);
	const struct dirent *e;

	if (!d)
		return fail(-errno, "mount: open '%s'", path);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			return FS_NOT_EMPTY;
	return 0;
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

int mountpoint_prepare(const char *path, const char *home)
{
	CLEANUP(free_p) char *full = NULL, *full_home = NULL;
	bool mounted = false, ours = false;
	struct stat st;
	int r;

	full = resolve(path);
	if (!full)
		return fail(-errno, "mount: find '%s'", path);
	full_home = resolve(home);
	if (!full_home)
		return fail(-errno, "mount: find '%s'", home);
	r = mounted_at(full, &ours, &mounted);
	if (r)
		return r;
	if (mounted && (!ours || !is_dead(full)))
		return FS_MOUNTED;
	if (mounted) {
		log_info("mount: '%s' was left by a daemon that died, mounting anew", full);
		r = mountpoint_detach(full);
	}
	if (r)
		return r;
	if (is_below(full, full_home) || is_below(full_home, full))
		return FS_INSIDE_HOME;
	if (stat(full, &st) || !S_ISDIR(st.st_mode))
		return fail(-ENOTDIR, "mount: '%s'", full);
	return check_empty(full);
}
