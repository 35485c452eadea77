/* Reading /proc/self/mountinfo, unmounting, and naming those who are in the way.
 *
 * A mount point may be dead (its daemon was killed): every call on it answers ENOTCONN. So paths are resolved up to the
 * last component only and mounts are found by name in mountinfo, never by stat. Ordinary users unmount through
 * fusermount3, which is set-uid; root by umount2 itself, which needs no program.
 */
#include "tools/mounts.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/proc.h"

enum { MOUNTINFO_MAX = 64 << 20, WORDS_MAX = 4096, USERS_SHOWN = 8 };

void mount_deinit(struct mount *m)
{
	free(m->point);
	free(m->type);
	free(m->source);
	memset(m, 0, sizeof(*m));
}

/* mountinfo writes blank, tab, newline and backslash as three octal digits. */
static char *unescaped(const char *word, size_t len)
{
	char *s = alloc_copy(word, len), *to = s;

	for (const char *c = s; *c;) {
		if (c[0] == '\\' && c[1] >= '0' && c[1] <= '3' && isdigit(c[2]) &&
		    isdigit(c[3])) {
			*to++ = (char)((c[1] - '0') << 6 | (c[2] - '0') << 3 | (c[3] - '0'));
			c += 4;
			continue;
		}
		*to++ = *c++;
	}
	*to = '\0';
	return s;
}

/* "36 35 98:0 /root /point rw,… opt:1 - type source options" */
static bool parse_line(const char *line, struct mount *ret)
{
	const char *dash = strstr(line, " - "), *word = line;
	size_t type_len, source_len;

	for (int i = 0; word && i < 4; i++) {
		word = strchr(word, ' ');
		word = word ? word + 1 : NULL;
	}
	if (!word || !dash)
		return false;
	type_len = strcspn(dash + 3, " ");
	source_len = dash[3 + type_len] ? strcspn(dash + 4 + type_len, " ") : 0;
	ret->point = unescaped(word, strcspn(word, " "));
	ret->type = unescaped(dash + 3, type_len);
	ret->source = source_len ? unescaped(dash + 4 + type_len, source_len) : alloc_str("");
	return true;
}

typedef bool (*match_fn)(const struct mount *m, const char *path);

static bool is_at(const struct mount *m, const char *path)
{
	return !strcmp(m->point, path);
}

static bool is_ours_around(const struct mount *m, const char *path)
{
	size_t len = strlen(m->point);

	return !strcmp(m->type, MOUNTS_TYPE) && !strncmp(path, m->point, len) &&
	       (!path[len] || path[len] == '/');
}

/* The last match: later lines lie on top of earlier ones. */
static int find(const char *path, match_fn match, struct mount *ret)
{
	CLEANUP(buf_deinit) struct buf text;
	struct mount best = {0};
	char *line, *save = NULL;
	int r;

	buf_init(&text, MOUNTINFO_MAX);
	r = io_slurp(AT_FDCWD, "/proc/self/mountinfo", &text);
	if (r)
		return r < 0 ? r : fail(-ENOENT, "read /proc/self/mountinfo");
	for (line = strtok_r(text.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct mount m = {0};

		if (!parse_line(line, &m) || !match(&m, path)) {
			mount_deinit(&m);
			continue;
		}
		mount_deinit(&best);
		best = m;
	}
	if (!best.point)
		return MOUNTS_NONE;
	*ret = best;
	return 0;
}

int mounts_at(const char *path, struct mount *ret)
{
	return find(path, is_at, ret);
}

int mounts_around(const char *path, struct mount *ret)
{
	return find(path, is_ours_around, ret);
}

char *mounts_path(const char *dir)
{
	CLEANUP(free_p) char *copy = alloc_str(dir);
	CLEANUP(free_p) char *parent = NULL;
	size_t len = strlen(copy);
	char *slash;

	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	slash = strrchr(copy, '/');
	if (!strcmp(slash ? slash + 1 : copy, "..") || !strcmp(slash ? slash + 1 : copy, ".") ||
	    !strcmp(copy, "/"))
		return realpath(copy, NULL);
	if (!slash)
		parent = realpath(".", NULL);
	else if (slash == copy)
		parent = alloc_str("/");
	else
		*slash = '\0', parent = realpath(copy, NULL);
	if (!parent)
		return NULL;
	return alloc_fmt("%s/%s", strcmp(parent, "/") ? parent : "", slash ? slash + 1 : copy);
}

static int detach_as_user(const char *path, bool lazy)
{
	CLEANUP(buf_deinit) struct buf out;
	CLEANUP(buf_deinit) struct buf err;
	const char *const argv[] = {"fusermount3", lazy ? "-uz" : "-u", "--", path, NULL};
	const struct proc p = {
		.argv = argv, .cwd_fd = -1, .in_fd = -1, .out_fd = -1, .err_fd = -1};
	int r;

	buf_init(&out, WORDS_MAX);
	buf_init(&err, WORDS_MAX);
	r = proc_run(&p, &out, &err);
	if (r <= 0)
		return r;
	if (strstr(err.data, "busy"))
		return MOUNTS_BUSY;
	return fail_words_at(__FILE__, __LINE__, -EPERM, err.data, "unmount '%s'", path);
}

int mounts_detach(const char *path, bool lazy)
{
	if (geteuid())
		return detach_as_user(path, lazy);
	if (!umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)))
		return 0;
	if (errno == EBUSY)
		return MOUNTS_BUSY;
	if (errno == EINVAL || errno == ENOENT)
		return MOUNTS_NONE;
	return fail(-errno, "unmount '%s'", path);
}

static bool leads_below(int dirfd, const char *link, const char *path)
{
	size_t len = strlen(path);
	char to[PATH_MAX];
	ssize_t n = readlinkat(dirfd, link, to, sizeof(to) - 1);

	if (n < (ssize_t)len)
		return false;
	to[n] = '\0';
	return !strncmp(to, path, len) && (!to[len] || to[len] == '/');
}

static bool any_below(int process, const char *dir, const char *path)
{
	int fd = openat(process, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		close_p(&fd);
		return false;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.' && leads_below(fd, e->d_name, path))
			return true;
	}
	return false;
}

static bool is_user(int process, const char *path)
{
	return leads_below(process, "cwd", path) || leads_below(process, "root", path) ||
	       leads_below(process, "exe", path) || any_below(process, "fd", path) ||
	       any_below(process, "map_files", path);
}

static void put_user(int process, const char *pid, struct buf *b)
{
	CLEANUP(buf_deinit) struct buf comm;

	buf_init(&comm, 64);
	(void)io_slurp(process, "comm", &comm);
	(void)buf_fmt(b, "%s%s (%.*s)", b->len ? ", " : "", pid, (int)strcspn(comm.data, "\n"),
		      comm.data);
}

bool mounts_users(const char *path, struct buf *b)
{
	CLEANUP(closedirp) DIR *d = opendir("/proc");
	unsigned n = 0;
	struct dirent *e;

	while (d && n < USERS_SHOWN && (e = readdir(d))) {
		CLEANUP(close_p) int process = -1;

		if (!isdigit(e->d_name[0]))
			continue;
		process = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process < 0 || !is_user(process, path))
			continue;
		put_user(process, e->d_name, b);
		n++;
	}
	return n > 0;
}
