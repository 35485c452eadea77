/* Stats of everything that can hold a ref, boiled down to 128 bits.
 *
 * Git replaces files by renaming new ones into place, so a changed ref shows as another inode, size or
 * time, and a ref that came or went as another time of its directory. Loose refs are looked at
 * one by one, for the sake of whoever writes them in place, but for refs/fragments/, which
 * only we write and which may be long.
 *
 * A file changed twice within one tick of the kernel's clock may look the same after. So a
 * fingerprint in which anything is younger than RACY_NS is marked racy and never
 * compares as equal, like git's own index. Clocks that go backwards make things look young: that
 * costs time, not truth.
 */
#include "store/fingerprint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/worktree_git.h"

enum { DEPTH_MAX = 64 };

#define RACY_NS ((int64_t)20 * 1000 * 1000) /* two ticks of the slowest kernel (HZ=100) */

struct sum {
	uint64_t a, b;
	int64_t newest;
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

static int64_t ns_of(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

/* Sums, so that the order of readdir does not matter. */
static void add(struct sum *s, uint64_t path, const struct stat *st)
{
	uint64_t h = mix(path ^ mix(st->st_ino ^ mix((uint64_t)ns_of(&st->st_mtim) ^
						     mix((uint64_t)st->st_size))));

	s->a += h;
	s->b += mix(h ^ (uint64_t)ns_of(&st->st_ctim));
	if (ns_of(&st->st_mtim) > s->newest)
		s->newest = ns_of(&st->st_mtim);
	if (ns_of(&st->st_ctim) > s->newest)
		s->newest = ns_of(&st->st_ctim);
}

static uint64_t path_hash(uint64_t parent, const char *name)
{
	uint64_t h = parent;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 1099511628211ULL;
	return mix(h);
}

/* A file that is missing is part of the sum too. */
static void add_file(struct sum *s, int dir, const char *name)
{
	struct stat st;

	if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		add(s, path_hash(1, name), &st);
}

static int add_dir(struct sum *s, int at, const char *name, uint64_t path, int depth);

static int add_entry(struct sum *s, int dir, const char *name, uint64_t path, int depth)
{
	struct stat st;

	path = path_hash(path, name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : fail(-errno, "look at ref '%s'", name);
	add(s, path, &st);
	if (!S_ISDIR(st.st_mode) ||
	    (depth == 1 && (!strcmp(name, "fragments") || !strcmp(name, "fragfs"))))
		return 0;
	return depth < DEPTH_MAX ? add_dir(s, dir, name, path, depth) : 0;
}

static int add_dir(struct sum *s, int at, const char *name, uint64_t path, int depth)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;

	if (fd < 0 && errno == ENOENT)
		return depth ? 0 : -ENOENT;
	if (fd < 0)
		return fail(-errno, "open directory '%s' of a project", name);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return fail(-ENOMEM, "read directory '%s' of a project", name);
	}
	while ((e = readdir(dir))) {
		int r;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = add_entry(s, fd, e->d_name, path, depth + 1);
		if (r)
			return r;
	}
	return 0;
}

struct heads {
	struct sum *sum;
	int dir_fd;
};

static int add_worktree(const char *worktree, void *arg)
{
	struct heads *h = arg;
	CLEANUP(free_p) char *name = alloc_fmt("worktrees/%s/HEAD", worktree);

	add_file(h->sum, h->dir_fd, name);
	return 0;
}

int fingerprint_take(int dir_fd, struct fingerprint *ret)
{
	struct timespec now;
	struct sum s = {.a = 1, .b = 1};
	int r;

	/* The coarse clock is the one that stamps files. */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	add_file(&s, dir_fd, "HEAD");
	add_file(&s, dir_fd, "packed-refs");
	r = add_dir(&s, dir_fd, "refs", 1, 0);
	if (!r)
		r = worktree_git_each(dir_fd, add_worktree, &(struct heads){&s, dir_fd});
	if (r)
		return r;
	*ret = (struct fingerprint){
		.a = s.a,
		.b = s.b,
		.racy = s.newest > ns_of(&now) - RACY_NS,
	};
	return 0;
}

uint64_t fingerprint_fragments(int dir_fd)
{
	struct sum s = {.a = 1, .b = 1};

	add_file(&s, dir_fd, "packed-refs");
	add_file(&s, dir_fd, "refs/fragments");
	s.a = mix(s.a ^ mix(s.b));
	return s.a ? s.a : 1;
}
