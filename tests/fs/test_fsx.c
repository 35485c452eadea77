/* tests/fs/test_fsx.c - one file of a work tree against a model in memory, a hundred thousand operations long.
 *
 * In the spirit of fsx: write, mapped write, read, mapped read, truncate, fallocate, punch, zero, copy within the file, and
 * close and open again; every read, and now and then the whole file, must be what the model says.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/fs/mounted.h"

enum { MAX = 256 << 10, PIECE = 16 << 10, OPS = 100000, CHECK_EVERY = 2000, PAGE = 4096 };

struct fsx {
	char path[500];
	int fd;
	uint64_t rng;
	size_t size;
	unsigned char *model, *buf;
	unsigned long n;
};

static uint64_t draw(struct fsx *f, uint64_t n)
{
	/* xorshift64* */
	f->rng ^= f->rng >> 12;
	f->rng ^= f->rng << 25;
	f->rng ^= f->rng >> 27;
	return (f->rng * 0x2545f4914f6cdd1du >> 16) % n;
}

static void assert_same(struct fsx *f, const unsigned char *got, size_t off, size_t len,
			const char *how)
{
	for (size_t i = 0; i < len; i++)
		if (got[i] != f->model[off + i])
			fail_msg("operation %lu: %s: byte %lu is %d, not %d", f->n, how,
				 (unsigned long)(off + i), got[i], f->model[off + i]);
}

static void grow(struct fsx *f, size_t size)
{
	f->size = size > f->size ? size : f->size;
}

static void do_write(struct fsx *f, size_t off, size_t len)
{
	unsigned char fill = (unsigned char)draw(f, 256);

	for (size_t i = 0; i < len; i++)
		f->buf[i] = (unsigned char)(fill + i * 7);
	assert_int_equal(pwrite(f->fd, f->buf, len, (off_t)off), len);
	memcpy(f->model + off, f->buf, len);
	grow(f, off + len);
}

static void do_read(struct fsx *f, size_t off, size_t len)
{
	size_t left = off < f->size ? f->size - off : 0, want = len < left ? len : left;

	assert_int_equal(pread(f->fd, f->buf, len, (off_t)off), want);
	assert_same(f, f->buf, off, want, "read");
}

static void do_truncate(struct fsx *f, size_t off, size_t len)
{
	assert_int_equal(ftruncate(f->fd, (off_t)off), 0);
	if (off < f->size)
		memset(f->model + off, 0, f->size - off);
	f->size = off;
}

static void do_mapped(struct fsx *f, size_t off, size_t len, bool write)
{
	size_t from = off / PAGE * PAGE;
	unsigned char *map;

	if (off >= f->size)
		return;
	len = len < f->size - off ? len : f->size - off;
	map = mmap(NULL, off - from + len, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED,
		   f->fd, (off_t)from);
	assert_ptr_not_equal(map, MAP_FAILED);
	if (write) {
		memset(map + (off - from), (int)draw(f, 256), len);
		memcpy(f->model + off, map + (off - from), len);
		if (draw(f, 64) == 0)
			assert_int_equal(msync(map, off - from + len, MS_SYNC), 0);
	} else {
		assert_same(f, map + (off - from), off, len, "mapped read");
	}
	munmap(map, off - from + len);
}

static void do_fallocate(struct fsx *f, size_t off, size_t len)
{
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
	int mode = modes[draw(f, 5)];
	size_t end = off + len;

	assert_int_equal(fallocate(f->fd, mode, (off_t)off, (off_t)len), 0);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		grow(f, end);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) && off < f->size)
		memset(f->model + off, 0, (end < f->size ? end : f->size) - off);
}

static void do_copy(struct fsx *f, size_t off, size_t len)
{
	size_t to = draw(f, MAX - PIECE);
	off_t in = (off_t)off, out = (off_t)to;
	size_t left = off < f->size ? f->size - off : 0, want = len < left ? len : left;
	ssize_t n;

	/* Overlaps within a file are EINVAL. */
	if (to < off + len && off < to + len)
		return;
	n = copy_file_range(f->fd, &in, f->fd, &out, len, 0);
	assert_in_range(n, want ? 1 : 0, want);
	memmove(f->model + to, f->model + off, (size_t)n);
	if (n)
		grow(f, to + (size_t)n);
}

static void do_reopen(struct fsx *f)
{
	assert_int_equal(close(f->fd), 0);
	f->fd = open(f->path, O_RDWR | O_CLOEXEC);
	assert_true(f->fd >= 0);
}

static void check_all(struct fsx *f)
{
	struct stat st;

	assert_int_equal(fstat(f->fd, &st), 0);
	assert_int_equal(st.st_size, f->size);
	for (size_t off = 0; off < f->size; off += PIECE)
		do_read(f, off, PIECE);
}

static void step(struct fsx *f)
{
	size_t off = draw(f, MAX - PIECE), len = 1 + draw(f, PIECE);

	f->n++;
	switch (draw(f, 20)) {
	case 0:
		do_truncate(f, off, len);
		break;
	case 1:
	case 2:
		do_fallocate(f, off, len);
		break;
	case 3:
		do_copy(f, off, len);
		break;
	case 4:
		do_reopen(f);
		break;
	case 5:
	case 6:
	case 7:
		do_mapped(f, off, len, true);
		break;
	case 8:
	case 9:
		do_mapped(f, off, len, false);
		break;
	case 10:
		assert_int_equal(draw(f, 32) ? 0 : fsync(f->fd), 0);
		break;
	case 11:
	case 12:
	case 13:
	case 14:
		do_read(f, off, len);
		break;
	default:
		do_write(f, off, len);
	}
	if (f->n % CHECK_EVERY == 0)
		check_all(f);
}

static void run(struct mounted *m, struct fsx *f, const char *name, int n_ops)
{
	snprintf(f->path, sizeof(f->path), "%s/demo/live/%s", m->mnt, name);
	f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_true(f->fd >= 0);
	f->model = alloc_zero(MAX + PAGE);
	f->buf = alloc_zero(MAX);
	f->size = (size_t)read(f->fd, f->model, MAX);
	for (int i = 0; i < n_ops; i++)
		step(f);
	check_all(f);
	close(f->fd);
}

static void done(struct fsx *f)
{
	free(f->model);
	free(f->buf);
}

static void holds_what_a_hundred_thousand_operations_left(void **state)
{
	struct fsx f = {.rng = 7};

	run(*state, &f, "fsx", OPS);
	done(&f);
}

static void holds_it_over_a_file_that_came_out_of_git(void **state)
{
	struct mounted *m = *state;
	struct fsx f = {.rng = 9};

	run(m, &f, "README.md", OPS / 20);
	mounted_stop(m, SIGKILL);
	mounted_start(m);
	f.fd = open(f.path, O_RDWR | O_CLOEXEC);
	assert_true(f.fd >= 0);
	check_all(&f);
	close(f.fd);
	done(&f);
}

#define CLAIM(fn) cmocka_unit_test_setup_teardown(fn, mounted_setup, mounted_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(holds_what_a_hundred_thousand_operations_left),
		CLAIM(holds_it_over_a_file_that_came_out_of_git),
	};

	if (!mounted_possible())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
