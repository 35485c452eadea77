/* Files whole, on a real directory: links are refused, depth is no weapon, replacing is all or nothing. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/io.h"
#include "tests/scratch.h"

static void slurps_a_file_behind_what_is_there(void **state)
{
	struct scratch *s = *state;
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 100);
	scratch_write(s, "file", "content");
	assert_int_equal(buf_str(&b, "before "), 0);
	assert_int_equal(io_slurp(s->fd, "file", &b), 0);
	assert_string_equal(b.data, "before content");
}

static void a_missing_file_is_an_outcome(void **state)
{
	struct scratch *s = *state;
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 100);
	assert_int_equal(io_slurp(s->fd, "none", &b), IO_MISSING);
	assert_int_equal(io_slurp(s->fd, "none/deeper", &b), IO_MISSING);
}

static void a_file_as_long_as_the_ceiling_fits_and_one_more_byte_does_not(void **state)
{
	struct scratch *s = *state;
	CLEANUP(buf_deinit) struct buf b;

	scratch_write(s, "ten", "0123456789");
	buf_init(&b, 10);
	assert_int_equal(io_slurp(s->fd, "ten", &b), 0);
	assert_string_equal(b.data, "0123456789");
	buf_deinit(&b);
	buf_init(&b, 9);
	assert_int_equal(io_slurp(s->fd, "ten", &b), -E2BIG);
	buf_deinit(&b);
	buf_init(&b, 0);
	scratch_write(s, "empty", "");
	assert_int_equal(io_slurp(s->fd, "empty", &b), 0);
	assert_int_equal(io_slurp(s->fd, "ten", &b), -E2BIG);
}

static void slurping_neither_follows_links_nor_waits_for_pipes(void **state)
{
	struct scratch *s = *state;
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 100);
	scratch_write(s, "real", "secret");
	assert_int_equal(symlinkat("real", s->fd, "link"), 0);
	assert_int_equal(mkfifoat(s->fd, "pipe", 0600), 0);
	assert_int_equal(io_slurp(s->fd, "link", &b), -ELOOP);
	assert_int_equal(io_slurp(s->fd, "pipe", &b), -EINVAL);
	assert_int_equal(io_slurp(s->fd, ".", &b), -EISDIR);
	assert_int_equal(b.len, 0);
}

static void replacing_sets_content_and_mode_and_leaves_nothing_beside(void **state)
{
	struct scratch *s = *state;
	struct stat st;

	assert_int_equal(io_replace(s->fd, "f", "first version", 13, 0640), 0);
	assert_int_equal(io_replace(s->fd, "f", "second", 6, 0600), 0);
	assert_string_equal(scratch_read(s, "f"), "second");
	assert_int_equal(fstatat(s->fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(unlinkat(s->fd, "f", 0), 0);
	assert_int_equal(unlinkat(AT_FDCWD, s->path, AT_REMOVEDIR), 0);
	assert_int_equal(mkdir(s->path, 0700), 0);
}

static void a_replacement_that_fails_leaves_the_old_file(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(io_mkdirs(s->fd, "dir/busy", 0755), 0);
	assert_int_equal(io_replace(s->fd, "dir", "x", 1, 0600), -EISDIR);
	assert_int_equal(io_replace(s->fd, "none/f", "x", 1, 0600), -ENOENT);
	assert_int_equal(faccessat(s->fd, "dir/busy", F_OK, 0), 0);
	assert_int_equal(io_remove_tree(s->fd, "dir"), 0);
	assert_int_equal(unlinkat(AT_FDCWD, s->path, AT_REMOVEDIR), 0);
	assert_int_equal(mkdir(s->path, 0700), 0);
}

static void *replace_often(void *arg)
{
	struct scratch *s = arg;
	intptr_t failed = 0;

	for (int i = 0; i < 50; i++)
		failed |= io_replace(s->fd, "shared", "0123456789", 10, 0600);
	return (void *)failed;
}

static void two_threads_may_replace_one_file(void **state)
{
	struct scratch *s = *state;
	pthread_t other;
	void *failed;

	assert_int_equal(pthread_create(&other, NULL, replace_often, s), 0);
	assert_null(replace_often(s));
	assert_int_equal(pthread_join(other, &failed), 0);
	assert_null(failed);
	assert_string_equal(scratch_read(s, "shared"), "0123456789");
}

static void makes_directories_and_minds_what_is_in_the_way(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(io_mkdirs(s->fd, "a/b/c", 0755), 0);
	assert_int_equal(io_mkdirs(s->fd, "a/b/c", 0755), 0);
	assert_int_equal(io_mkdir(s->fd, "a", 0755), 0);
	scratch_write(s, "a/file", "x");
	assert_int_equal(io_mkdir(s->fd, "a/file", 0755), -EEXIST);
	assert_int_equal(io_mkdirs(s->fd, "a/file/deeper", 0755), -ENOTDIR);
	assert_int_equal(io_mkdirs(s->fd, "", 0755), -ENOENT);
	assert_int_equal(faccessat(s->fd, "a/b/c", F_OK, 0), 0);
}

static void opening_beneath_never_leaves_the_directory(void **state)
{
	struct scratch *s = *state;
	int fd;

	assert_int_equal(io_mkdirs(s->fd, "root/sub", 0755), 0);
	scratch_write(s, "outside", "canary");
	scratch_write(s, "root/sub/in", "fine");
	assert_int_equal(symlinkat("../outside", s->fd, "root/up"), 0);
	assert_int_equal(symlinkat("sub", s->fd, "root/alias"), 0);
	assert_int_equal(symlinkat("/etc", s->fd, "root/etc"), 0);
	fd = openat(s->fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(io_open_beneath(fd, "../outside", O_RDONLY, 0), -EXDEV);
	assert_int_equal(io_open_beneath(fd, "/etc/passwd", O_RDONLY, 0), -EXDEV);
	assert_int_equal(io_open_beneath(fd, "up", O_RDONLY, 0), -ELOOP);
	assert_int_equal(io_open_beneath(fd, "alias/in", O_RDONLY, 0), -ELOOP);
	assert_int_equal(io_open_beneath(fd, "etc/passwd", O_RDONLY, 0), -ELOOP);
	assert_int_equal(io_open_beneath(fd, "none", O_RDONLY, 0), -ENOENT);
	assert_int_equal(io_open_beneath(fd, "up", O_WRONLY | O_CREAT, 0600), -ELOOP);
	close(fd);
	fd = io_open_beneath(s->fd, "root/sub/in", O_RDONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_string_equal(scratch_read(s, "outside"), "canary");
}

static void removing_a_tree_follows_no_link(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(io_mkdirs(s->fd, "keep/deep", 0755), 0);
	scratch_write(s, "keep/deep/file", "canary");
	assert_int_equal(io_mkdirs(s->fd, "gone/sub", 0755), 0);
	assert_int_equal(symlinkat("../keep", s->fd, "gone/link"), 0);
	assert_int_equal(symlinkat(s->path, s->fd, "gone/sub/home"), 0);
	assert_int_equal(mkfifoat(s->fd, "gone/pipe", 0600), 0);
	assert_int_equal(io_remove_tree(s->fd, "gone"), 0);
	assert_int_equal(faccessat(s->fd, "gone", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_string_equal(scratch_read(s, "keep/deep/file"), "canary");
	assert_int_equal(io_remove_tree(s->fd, "gone"), 0);
	assert_int_equal(symlinkat("keep", s->fd, "alias"), 0);
	assert_int_equal(io_remove_tree(s->fd, "alias"), 0);
	assert_string_equal(scratch_read(s, "keep/deep/file"), "canary");
}

static void a_tree_deeper_than_the_descriptors_reach_can_be_removed(void **state)
{
	struct scratch *s = *state;
	int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		assert_int_equal(mkdirat(fd, "moved-up.0", 0755), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(io_remove_tree(s->fd, "d"), 0);
	assert_int_equal(faccessat(s->fd, "d", F_OK, 0), -1);
}

static void directories_without_permissions_can_be_removed(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(io_mkdirs(s->fd, "a/shut/in", 0755), 0);
	assert_int_equal(fchmodat(s->fd, "a/shut", 0, 0), 0);
	assert_int_equal(io_remove_tree(s->fd, "a"), 0);
	assert_int_equal(faccessat(s->fd, "a", F_OK, 0), -1);
}

static void short_writes_and_ends_of_file_are_told_apart(void **state)
{
	struct scratch *s = *state;
	char data[8] = "";
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), fd;

	assert_int_equal(io_write_all(full, "x", 1), -ENOSPC);
	close(full);
	scratch_write(s, "abc", "abc");
	fd = openat(s->fd, "abc", O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read_all(fd, data, sizeof(data)), 3);
	assert_string_equal(data, "abc");
	assert_int_equal(io_read_all(fd, data, sizeof(data)), 0);
	close(fd);
	assert_int_equal(io_read_all(fd, data, sizeof(data)), -EBADF);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(slurps_a_file_behind_what_is_there),
		TEST(a_missing_file_is_an_outcome),
		TEST(a_file_as_long_as_the_ceiling_fits_and_one_more_byte_does_not),
		TEST(slurping_neither_follows_links_nor_waits_for_pipes),
		TEST(replacing_sets_content_and_mode_and_leaves_nothing_beside),
		TEST(a_replacement_that_fails_leaves_the_old_file),
		TEST(two_threads_may_replace_one_file),
		TEST(makes_directories_and_minds_what_is_in_the_way),
		TEST(opening_beneath_never_leaves_the_directory),
		TEST(removing_a_tree_follows_no_link),
		TEST(a_tree_deeper_than_the_descriptors_reach_can_be_removed),
		TEST(directories_without_permissions_can_be_removed),
		TEST(short_writes_and_ends_of_file_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
