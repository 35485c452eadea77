/* io_replace() keeps its word: a file it replaced has the new content after a cut, whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io.h"
#include "tests/crash/acks.h"
#include "tests/crash/workload.h"

enum { FILE_LIMIT = 1 << 20 };

/* The content says its round and is long enough to span blocks. */
static void fill(struct buf *b, int round)
{
	for (int i = 0; i < 1500; i++)
		(void)buf_fmt(b, "%06d\n", round);
}

/* As careless programs do it: truncate, write, hope. */
static int rewrite(int dirfd, const char *path, const void *data, size_t len, mode_t mode)
{
	CLEANUP(close_p)
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	return fd < 0 ? -errno : io_write_all(fd, data, len);
}

typedef int (*replace_fn)(int dirfd, const char *path, const void *data, size_t len,
			  mode_t mode);

static int replace_all(const char *dir, struct acks *a, int rounds, replace_fn replace)
{
	CLEANUP(close_p) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < rounds; i++) {
		CLEANUP(buf_deinit) struct buf b;
		char key[32], value[32];
		int r;

		(void)snprintf(key, sizeof(key), "file-%d", i % 4);
		(void)snprintf(value, sizeof(value), "%06d", i);
		buf_init(&b, FILE_LIMIT);
		fill(&b, i);
		acks_begin(a, key, value);
		r = replace(fd, key, b.data, b.len, 0600);
		if (r)
			return r;
		acks_done(a, key, value);
	}
	return 0;
}

static int work(const char *dir, struct acks *a, int rounds)
{
	return replace_all(dir, a, rounds, io_replace);
}

static int work_sloppily(const char *dir, struct acks *a, int rounds)
{
	return replace_all(dir, a, rounds * 2, rewrite);
}

static void *open_dir(const char *dir)
{
	int *fd = alloc_zero(sizeof(*fd));

	*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

static void probe(void *opened, const char *key, char value[WORKLOAD_VALUE_MAX])
{
	CLEANUP(buf_deinit) struct buf have;
	CLEANUP(buf_deinit) struct buf want;
	char number[7] = "";
	int r, round;

	buf_init(&have, FILE_LIMIT);
	buf_init(&want, FILE_LIMIT);
	r = io_slurp(*(int *)opened, key, &have);
	(void)snprintf(value, WORKLOAD_VALUE_MAX, r == IO_MISSING ? "-" : "damaged");
	if (r || have.len < 6)
		return;
	memcpy(number, have.data, 6);
	if (sscanf(number, "%d", &round) != 1)
		return;
	fill(&want, round);
	if (have.len == want.len && !memcmp(have.data, want.data, want.len))
		(void)snprintf(value, WORKLOAD_VALUE_MAX, "%06d", round);
}

static void close_dir(void *opened)
{
	close(*(int *)opened);
	free(opened);
}

const struct workload workload_files = {"files", work, open_dir, probe, close_dir};

/* The control of callcut: it must be caught. */
const struct workload workload_sloppy = {"sloppy", work_sloppily, open_dir, probe, close_dir};
