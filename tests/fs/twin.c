/* tests/fs/twin.c - the same operations on a work tree in a mount and on a plain directory beside it.
 *
 * A comparison writes down, in the order of names, everything stat and reading say about each entry; but for numbers that are
 * a file system's own: inode numbers, blocks, sizes of directories, and times that nobody set.
 */
#include "tests/fs/twin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "tests/fs/twin_ops.h"

enum { TEXT_MAX = 64 << 20, NAMES_MAX = 4096 };

void twin_init(struct twin *t, struct mounted *m, uint64_t seed)
{
	*t = (struct twin){.m = m, .rng = seed * 2 + 1};
	snprintf(t->root[0], sizeof(t->root[0]), "%s/demo/live", m->mnt);
	snprintf(t->root[1], sizeof(t->root[1]), "%s/twin", m->s.path);
	mounted_sh(m, "mkdir -m 755 \"$T/twin\"; cd \"$M/demo/live\"; rm -rf ./*");
	memset(t->open, 0xff, sizeof(t->open));
	twin_return(t);
}

void twin_return(struct twin *t)
{
	for (int side = 0; side < TWIN_SIDES; side++) {
		t->dir[side] = open(t->root[side], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(t->dir[side] >= 0);
	}
}

void twin_leave(struct twin *t)
{
	for (int side = 0; side < TWIN_SIDES; side++) {
		for (int i = 0; i < TWIN_OPEN; i++) {
			if (t->open[side][i] >= 0)
				close(t->open[side][i]);
			t->open[side][i] = -1;
		}
		close_p(&t->dir[side]);
	}
}

void twin_deinit(struct twin *t)
{
	twin_leave(t);
}

static void write_xattrs(struct buf *b, const char *path)
{
	char name[32], value[300];

	for (int i = 0; i < 3; i++) {
		ssize_t n;

		snprintf(name, sizeof(name), "user.n%d", i);
		n = lgetxattr(path, name, value, sizeof(value));
		if (n < 0)
			continue;
		buf_fmt(b, " %s=", name);
		buf_add(b, value, (size_t)n);
	}
}

static void write_bytes(struct buf *b, const char *path)
{
	char bytes[65536], text[40];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t h = 14695981039346656037u, total = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			h = (h ^ (unsigned char)bytes[i]) * 1099511628211u;
		total += (uint64_t)n;
	}
	snprintf(text, sizeof(text), " %lx/%lu", (unsigned long)h, (unsigned long)total);
	buf_str(b, fd < 0 ? " unreadable" : text);
	if (fd >= 0)
		close(fd);
}

static void write_tree(struct buf *b, const char *dir, const char *shown);

/* Times far in the past were set by somebody; later ones are the clock's, which no two calls share. */
static void write_time(struct buf *b, const struct timespec *ts)
{
	if (ts->tv_sec < 1500000000)
		buf_fmt(b, " %ld.%09ld", (long)ts->tv_sec, ts->tv_nsec);
	else
		buf_str(b, " now");
}

static void write_entry(struct buf *b, const char *path, const char *shown)
{
	char target[200];
	struct stat st;
	ssize_t n;

	if (lstat(path, &st)) {
		buf_fmt(b, "%s: %s\n", shown, strerror(errno));
		return;
	}
	buf_fmt(b, "%s: %o %u:%u links %lu", shown, st.st_mode, st.st_uid, st.st_gid,
		(unsigned long)st.st_nlink);
	write_time(b, &st.st_mtim);
	write_xattrs(b, path);
	if (S_ISREG(st.st_mode)) {
		buf_fmt(b, " size %ld", (long)st.st_size);
		write_bytes(b, path);
	}
	if (S_ISLNK(st.st_mode) && (n = readlink(path, target, sizeof(target))) >= 0) {
		buf_str(b, " -> ");
		buf_add(b, target, (size_t)n);
	}
	buf_str(b, "\n");
	if (S_ISDIR(st.st_mode))
		write_tree(b, path, shown);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void write_tree(struct buf *b, const char *dir, const char *shown)
{
	CLEANUP(closedirp) DIR *d = opendir(dir);
	const struct dirent *e;
	char **names = alloc_array(NAMES_MAX, sizeof(char *));
	size_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) && n < NAMES_MAX)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    strcmp(e->d_name, ".git") != 0)
			names[n++] = alloc_str(e->d_name);
	qsort(names, n, sizeof(char *), by_name);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(free_p) char *path = alloc_fmt("%s/%s", dir, names[i]);
		CLEANUP(free_p) char *below = alloc_fmt("%s/%s", shown, names[i]);

		write_entry(b, path, below);
		free(names[i]);
	}
	free(names);
}

void twin_compare(struct twin *t)
{
	struct buf text[TWIN_SIDES];
	const char *line[TWIN_SIDES];

	for (int side = 0; side < TWIN_SIDES; side++) {
		buf_init(&text[side], TEXT_MAX);
		write_tree(&text[side], t->root[side], ".");
		line[side] = text[side].data ? text[side].data : "";
	}
	while (*line[0] || *line[1]) {
		size_t len = strcspn(line[0], "\n");

		if (len != strcspn(line[1], "\n") || memcmp(line[0], line[1], len) != 0)
			fail_msg("after %s\nmount:  %.*s\nbeside: %.*s", t->last, (int)len,
				 line[0], (int)strcspn(line[1], "\n"), line[1]);
		line[0] += len + (line[0][len] != '\0');
		line[1] += len + (line[1][len] != '\0');
	}
	for (int side = 0; side < TWIN_SIDES; side++)
		buf_deinit(&text[side]);
}
