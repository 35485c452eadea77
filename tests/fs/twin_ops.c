/* tests/fs/twin_ops.c - the operations a twin run draws from.
 *
 * An operation is drawn once, into a struct op that holds all it needs, and then run on each side by a function that knows
 * nothing of sides. Names come from a small set, so that they meet often.
 */
#include "tests/fs/twin_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

enum { BYTES = 9000, OFF_MAX = 40000 };

struct op {
	int dir;   /* of the side */
	int *open; /* of the side */
	char a[100], b[100];
	unsigned n[4];
	unsigned char fill;
	char answer[BYTES]; /* what was read; compared as far as the result says */
};

/* A result >= 0, or -errno. */
typedef long (*op_fn)(struct op *o);

static long result(long r)
{
	return r < 0 ? -errno : r;
}

static const char *text_of(unsigned char fill)
{
	static char bytes[BYTES];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(fill + i % 31);
	return bytes;
}

static long op_write(struct op *o)
{
	static const int flags[] = {
		O_CREAT, O_CREAT | O_EXCL,   O_CREAT | O_TRUNC, O_APPEND, O_TRUNC,
		0,       O_CREAT | O_APPEND, O_NOFOLLOW};
	int fd = openat(o->dir, o->a, O_WRONLY | O_NONBLOCK | flags[o->n[0] % 8],
			0666 & ~(o->n[1] % 64));
	long r;

	if (fd < 0)
		return -errno;
	r = result(pwrite(fd, text_of(o->fill), o->n[2] % BYTES, o->n[3] % OFF_MAX));
	close(fd);
	return r;
}

static long op_read(struct op *o)
{
	int fd = openat(o->dir, o->a, O_RDONLY | (o->n[0] % 3 ? 0 : O_NOFOLLOW) | O_NONBLOCK);
	long r;

	if (fd < 0)
		return -errno;
	r = result(pread(fd, o->answer, o->n[1] % BYTES, o->n[2] % OFF_MAX));
	close(fd);
	return r;
}

static long op_mkdir(struct op *o)
{
	return result(mkdirat(o->dir, o->a, 0777 & ~(o->n[0] % 64)));
}

static long op_unlink(struct op *o)
{
	return result(unlinkat(o->dir, o->a, o->n[0] % 3 ? 0 : AT_REMOVEDIR));
}

static long op_rename(struct op *o)
{
	static const unsigned flags[] = {0, 0, 0, 1, 2};

	return result(syscall(SYS_renameat2, o->dir, o->a, o->dir, o->b, flags[o->n[0] % 5]));
}

static long op_link(struct op *o)
{
	return result(linkat(o->dir, o->a, o->dir, o->b, o->n[0] % 4 ? 0 : AT_SYMLINK_FOLLOW));
}

static long op_symlink(struct op *o)
{
	return result(symlinkat(o->b, o->dir, o->a));
}

static long op_readlink(struct op *o)
{
	return result(readlinkat(o->dir, o->a, o->answer, 50));
}

static long op_mknod(struct op *o)
{
	return result(mknodat(o->dir, o->a, (o->n[0] % 3 ? S_IFIFO : S_IFSOCK) | 0644, 0));
}

static long op_chmod(struct op *o)
{
	return result(fchmodat(o->dir, o->a,
			       o->n[0] % 8 ? 0700 | o->n[1] % 0100 : o->n[1] % 010000, 0));
}

static long op_chown(struct op *o)
{
	return result(fchownat(o->dir, o->a, o->n[0] % 3 ? (uid_t)-1 : 1000 + o->n[1] % 3,
			       o->n[2] % 3 ? (gid_t)-1 : 1000 + o->n[3] % 3,
			       o->n[3] % 2 ? 0 : AT_SYMLINK_NOFOLLOW));
}

static long op_utimens(struct op *o)
{
	struct timespec ts[2] = {{o->n[0], o->n[1] % 1000000000},
				 {o->n[2], o->n[3] % 1000000000}};

	if (o->n[3] % 5 == 0)
		ts[0].tv_nsec = UTIME_OMIT;
	return result(utimensat(o->dir, o->a, ts, o->n[3] % 2 ? 0 : AT_SYMLINK_NOFOLLOW));
}

static long op_truncate(struct op *o)
{
	int fd = openat(o->dir, o->a, O_WRONLY | O_NONBLOCK);
	long r;

	if (fd < 0)
		return -errno;
	r = result(ftruncate(fd, o->n[0] % OFF_MAX));
	close(fd);
	return r;
}

static long op_fallocate(struct op *o)
{
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
	int fd = openat(o->dir, o->a, O_WRONLY | O_NONBLOCK);
	long r;

	if (fd < 0)
		return -errno;
	r = result(fallocate(fd, modes[o->n[0] % 5], o->n[1] % OFF_MAX, o->n[2] % BYTES));
	close(fd);
	return r;
}

static long op_copy(struct op *o)
{
	int from = openat(o->dir, o->a, O_RDONLY | O_NONBLOCK);
	int to =
		openat(o->dir, o->b, O_WRONLY | O_NONBLOCK | (o->n[0] % 2 ? O_CREAT : 0), 0644);
	off_t in = o->n[1] % (o->n[0] % 3 ? OFF_MAX : 1),
	      out = o->n[2] % (o->n[0] % 3 ? OFF_MAX : 1);
	long r = from < 0 || to < 0
			 ? -errno
			 : result(copy_file_range(from, &in, to, &out, o->n[3] % OFF_MAX, 0));

	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return r;
}

static long op_setxattr(struct op *o)
{
	char path[60], name[32];
	int fd = openat(o->dir, o->a, O_PATH | O_NOFOLLOW);
	long r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(name, sizeof(name), "user.n%u", o->n[0] % 3);
	r = result(o->n[1] % 3 ? setxattr(path, name, text_of(o->fill), o->n[2] % 200,
					  (int)(o->n[3] % 3))
			       : removexattr(path, name));
	if (fd >= 0)
		close(fd);
	return r;
}

static long op_keep_open(struct op *o)
{
	int *slot = &o->open[o->n[0] % TWIN_OPEN];

	if (*slot >= 0)
		close(*slot);
	*slot = openat(o->dir, o->a,
		       O_RDWR | O_NONBLOCK | (o->n[1] % 2 ? O_CREAT : 0) |
			       (o->n[1] % 3 ? 0 : O_APPEND),
		       0644);
	return *slot < 0 ? -errno : 0;
}

static long op_write_open(struct op *o)
{
	return result(pwrite(o->open[o->n[0] % TWIN_OPEN], text_of(o->fill), o->n[1] % BYTES,
			     o->n[2] % OFF_MAX));
}

static long op_read_open(struct op *o)
{
	return result(pread(o->open[o->n[0] % TWIN_OPEN], o->answer, o->n[1] % BYTES,
			    o->n[2] % OFF_MAX));
}

static long op_stat_open(struct op *o)
{
	struct stat st;

	if (fstat(o->open[o->n[0] % TWIN_OPEN], &st))
		return -errno;
	return (long)(st.st_size * 64 + (long)st.st_nlink % 64);
}

static long op_sync_open(struct op *o)
{
	return result(o->n[1] % 2 ? fsync(o->open[o->n[0] % TWIN_OPEN])
				  : ftruncate(o->open[o->n[0] % TWIN_OPEN], o->n[2] % OFF_MAX));
}

static const struct {
	const char *name;
	op_fn run;
	unsigned weight;
} ops[] = {
	{"write", op_write, 20},         {"read", op_read, 10},
	{"mkdir", op_mkdir, 14},         {"unlink", op_unlink, 5},
	{"rename", op_rename, 12},       {"link", op_link, 5},
	{"symlink", op_symlink, 3},      {"readlink", op_readlink, 2},
	{"mknod", op_mknod, 2},          {"chmod", op_chmod, 5},
	{"chown", op_chown, 4},          {"utimens", op_utimens, 4},
	{"truncate", op_truncate, 5},    {"fallocate", op_fallocate, 4},
	{"copy_file_range", op_copy, 5}, {"xattr", op_setxattr, 5},
	{"keep open", op_keep_open, 5},  {"write open", op_write_open, 6},
	{"read open", op_read_open, 4},  {"stat open", op_stat_open, 3},
	{"sync open", op_sync_open, 2},
};

enum { N_OPS = sizeof(ops) / sizeof(ops[0]) };

uint64_t twin_draw(struct twin *t, uint64_t n)
{
	/* xorshift64* */
	t->rng ^= t->rng >> 12;
	t->rng ^= t->rng << 25;
	t->rng ^= t->rng >> 27;
	return (t->rng * 0x2545f4914f6cdd1du >> 16) % n;
}

static void draw_path(struct twin *t, char ret[100])
{
	unsigned depth = 1 + (unsigned)(twin_draw(t, 4) + twin_draw(t, 4)) / 3;
	size_t len = 0;

	for (unsigned i = 0; i < depth; i++)
		len += (size_t)snprintf(ret + len, 100 - len, "%s%c%s", i ? "/" : "",
					(char)('a' + twin_draw(t, 5)),
					twin_draw(t, 40) ? "" : "\xc3\xa9 \n-long-name");
}

static size_t draw_op(struct twin *t)
{
	unsigned sum = 0;
	uint64_t at;
	size_t i = 0;

	for (size_t k = 0; k < N_OPS; k++)
		sum += ops[k].weight;
	at = twin_draw(t, sum);
	while (at >= ops[i].weight)
		at -= ops[i++].weight;
	return i;
}

void twin_op(struct twin *t)
{
	static struct op o[TWIN_SIDES];
	size_t which = draw_op(t);
	long r[TWIN_SIDES];

	draw_path(t, o[0].a);
	draw_path(t, o[0].b);
	for (int i = 0; i < 4; i++)
		o[0].n[i] = (unsigned)twin_draw(t, UINT32_MAX / 2);
	o[0].fill = (unsigned char)twin_draw(t, 200);
	o[1] = o[0];
	snprintf(t->last, sizeof(t->last), "operation %lu: %s '%s' '%s' %u %u %u %u",
		 (unsigned long)t->n_ops, ops[which].name, o[0].a, o[0].b, o[0].n[0], o[0].n[1],
		 o[0].n[2], o[0].n[3]);
	for (int side = 0; side < TWIN_SIDES; side++) {
		o[side].dir = t->dir[side];
		o[side].open = t->open[side];
		r[side] = ops[which].run(&o[side]);
	}
	t->n_ops++;
	t->n_done += r[0] >= 0;
	if (r[0] != r[1])
		fail_msg("%s: %ld in the mount, %ld beside it", t->last, r[0], r[1]);
	if (r[0] > 0 && memcmp(o[0].answer, o[1].answer, BYTES) != 0)
		fail_msg("%s: other bytes", t->last);
}
