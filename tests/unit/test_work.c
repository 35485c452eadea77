/* Work trees: what POSIX wants of names and files, and what a killed process leaves. */
#include "store/work.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/io.h"
#include "tests/unit/work_fixture.h"

static const struct work_caller me = {1000, 1001};

static void shows_the_tree_it_was_made_of(void **state)
{
	struct work_fixture *f = *state;
	struct work_attr at = fx_stat(f, "exec");
	char *target = NULL;

	assert_string_equal(fx_list(f, ""), "dir exec file link ");
	assert_string_equal(fx_list(f, "dir"), "a b sub ");
	assert_string_equal(fx_read(f, "dir/sub/c"), "c\n");
	assert_int_equal(at.mode, S_IFREG | 0755);
	assert_int_equal(at.size, 10);
	assert_int_equal(at.uid, 1000);
	assert_int_equal(fx_stat(f, "dir").nlink, 3);
	assert_int_equal(fx_stat(f, "").nlink, 3);
	assert_int_equal(work_lookup(f->w, WORK_ROOT_INO, "link", &at), 0);
	assert_int_equal(work_readlink(f->w, at.ino, &target), 0);
	assert_string_equal(target, "file");
	free(target);
	work_release(f->w, at.ino, 1);
	assert_false(work_is_modified(f->w));
}

static void keeps_numbers_through_copy_up_rename_and_restart(void **state)
{
	struct work_fixture *f = *state;
	uint64_t a = fx_lookup(f, "dir/a"), sub = fx_lookup(f, "dir/sub"),
		 c = fx_lookup(f, "dir/sub/c");

	fx_write(f, "dir/a", 1, "X");
	assert_int_equal(fx_lookup(f, "dir/a"), a);
	assert_int_equal(fx_rename(f, "dir/a", "z", 0), 0);
	assert_int_equal(fx_rename(f, "dir/sub", "moved", 0), 0);
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_int_equal(fx_lookup(f, "z"), a);
	assert_string_equal(fx_read(f, "z"), "aX");
	assert_int_equal(fx_lookup(f, "moved"), sub);
	assert_int_equal(fx_lookup(f, "moved/c"), c);
	assert_string_equal(fx_list(f, "dir"), "b ");
	assert_true(work_is_modified(f->w));
}

static void never_gives_a_number_twice(void **state)
{
	struct work_fixture *f = *state;
	uint64_t first = fx_create(f, "new", "x"), second;

	assert_int_equal(fx_unlink(f, "new"), 0);
	work_fixture_kill(f);
	work_fixture_reopen(f);
	second = fx_create(f, "new", "y");
	assert_true(second > first);
	work_fixture_reopen(f);
	assert_int_equal(fx_unlink(f, "new"), 0);
	work_fixture_reopen(f);
	assert_true(fx_create(f, "new", "z") > second);
}

static void keeps_what_is_unlinked_while_it_is_held(void **state)
{
	struct work_fixture *f = *state;
	struct work_attr clean, made, at;
	struct work_bytes b;
	size_t done;

	assert_int_equal(work_lookup(f->w, WORK_ROOT_INO, "file", &clean), 0);
	assert_int_equal(fx_unlink(f, "file"), 0);
	assert_string_equal(fx_read(f, "file"), "<missing>");
	assert_int_equal(work_getattr(f->w, clean.ino, &at), 0);
	assert_int_equal(at.nlink, 0);
	assert_int_equal(work_read(f->w, clean.ino, 0, 100, &b), 0);
	assert_int_equal(b.len, 5);
	work_bytes_done(f->w, &b);
	assert_int_equal(work_write(f->w, clean.ino, 0, "FILE", 4, &done), 0);
	assert_int_equal(work_create_file(f->w, WORK_ROOT_INO, "file", 0600, &me, &made), 0);
	assert_true(made.ino != clean.ino);
	work_release(f->w, made.ino, 1);
	work_release(f->w, clean.ino, 1);
	assert_int_equal(work_getattr(f->w, clean.ino, &at), ESTALE);
}

static void forgets_clean_things_nobody_holds(void **state)
{
	struct work_fixture *f = *state;
	struct work_attr at;
	uint64_t ino = fx_lookup(f, "dir/sub/c");

	assert_int_equal(work_getattr(f->w, ino, &at), ESTALE);
}

static void whiteouts_survive_and_names_come_back(void **state)
{
	struct work_fixture *f = *state;

	assert_int_equal(fx_unlink(f, "dir/a"), 0);
	assert_int_equal(fx_unlink(f, "dir/a"), ENOENT);
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_string_equal(fx_list(f, "dir"), "b sub ");
	(void)fx_create(f, "dir/a", "again");
	assert_string_equal(fx_list(f, "dir"), "a b sub ");
	assert_int_equal(fx_unlink(f, "dir/a"), 0);
	work_fixture_reopen(f);
	assert_string_equal(fx_list(f, "dir"), "b sub ");
}

static void renames_as_posix_has_it(void **state)
{
	struct work_fixture *f = *state;

	assert_int_equal(fx_rename(f, "file", "exec", RENAME_NOREPLACE), EEXIST);
	assert_int_equal(fx_rename(f, "file", "none", RENAME_EXCHANGE), ENOENT);
	assert_int_equal(fx_rename(f, "dir", "dir/sub/x", 0), EINVAL);
	assert_int_equal(fx_rename(f, "dir/sub", "dir", 0), ENOTEMPTY);
	assert_int_equal(fx_rename(f, "dir", "file", 0), ENOTDIR);
	assert_int_equal(fx_rename(f, "file", "dir", 0), EISDIR);
	assert_int_equal(fx_rename(f, "none", "x", 0), ENOENT);
	assert_int_equal(fx_rename(f, "file", "dir/sub", RENAME_EXCHANGE), 0);
	assert_string_equal(fx_read(f, "dir/sub"), "file\n");
	assert_string_equal(fx_read(f, "file/c"), "c\n");
	assert_int_equal(fx_stat(f, "dir").nlink, 2);
	assert_int_equal(fx_stat(f, "").nlink, 4);
	assert_int_equal(fx_rename(f, "file", "file", 0), 0);
	assert_int_equal(fx_rename(f, "dir/sub", "exec", 0), 0);
	assert_string_equal(fx_list(f, ""), "dir exec file link ");
	assert_string_equal(fx_read(f, "exec"), "file\n");
}

static void hard_links_share_one_inode(void **state)
{
	struct work_fixture *f = *state;
	struct work_attr at, linked;

	assert_int_equal(work_lookup(f->w, WORK_ROOT_INO, "file", &at), 0);
	assert_int_equal(work_link(f->w, at.ino, WORK_ROOT_INO, "two", &linked), 0);
	assert_int_equal(linked.ino, at.ino);
	assert_int_equal(linked.nlink, 2);
	work_release(f->w, at.ino, 2);
	fx_write(f, "two", 0, "F");
	assert_string_equal(fx_read(f, "file"), "File\n");
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_int_equal(fx_lookup(f, "file"), fx_lookup(f, "two"));
	assert_int_equal(fx_unlink(f, "file"), 0);
	assert_int_equal(fx_stat(f, "two").nlink, 1);
	assert_string_equal(fx_read(f, "two"), "File\n");
	assert_int_equal(fx_rename(f, "two", "file", 0), 0);
}

static void directories_go_only_when_empty(void **state)
{
	struct work_fixture *f = *state;

	assert_int_equal(fx_rmdir(f, "dir/sub"), ENOTEMPTY);
	assert_int_equal(fx_rmdir(f, "file"), ENOTDIR);
	assert_int_equal(fx_unlink(f, "dir"), EISDIR);
	assert_int_equal(fx_unlink(f, "dir/sub/c"), 0);
	assert_int_equal(fx_rmdir(f, "dir/sub"), 0);
	assert_string_equal(fx_list(f, "dir"), "a b ");
	assert_int_equal(fx_stat(f, "dir").nlink, 2);
	(void)fx_mkdir(f, "dir/sub");
	assert_string_equal(fx_list(f, "dir/sub"), "");
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_string_equal(fx_list(f, "dir/sub"), "");
	assert_int_equal(fx_stat(f, "dir").nlink, 3);
}

static void truncates_and_sets_times(void **state)
{
	struct work_fixture *f = *state;
	struct work_attr at, to = {.size = 2, .mtime = {7, 9}, .mode = 0600};

	assert_int_equal(work_lookup(f->w, WORK_ROOT_INO, "file", &at), 0);
	assert_int_equal(work_setattr(f->w, at.ino, &to, WORK_SET_SIZE, &at), 0);
	assert_int_equal(at.size, 2);
	assert_int_equal(work_setattr(f->w, at.ino, &to, WORK_SET_MTIME | WORK_SET_MODE, &at),
			 0);
	work_release(f->w, at.ino, 1);
	work_fixture_kill(f);
	work_fixture_reopen(f);
	at = fx_stat(f, "file");
	assert_int_equal(at.mtime.tv_sec, 7);
	assert_int_equal(at.mtime.tv_nsec, 9);
	assert_int_equal(at.mode, S_IFREG | 0600);
	assert_string_equal(fx_read(f, "file"), "fi");
}

static void hands_down_the_group_of_a_set_gid_directory(void **state)
{
	struct work_fixture *f = *state;
	struct work_attr d, at, to = {.mode = 02775, .gid = 77};

	assert_int_equal(work_mkdir(f->w, WORK_ROOT_INO, "d", 0755, &me, &d), 0);
	assert_int_equal(work_setattr(f->w, d.ino, &to, WORK_SET_MODE | WORK_SET_GID, &d), 0);
	assert_int_equal(work_mkdir(f->w, d.ino, "x", 0755, &me, &at), 0);
	assert_int_equal(at.gid, 77);
	assert_int_equal(at.mode & 07777, 02755);
	work_release(f->w, at.ino, 1);
	assert_int_equal(work_create_file(f->w, d.ino, "y", 0644, &me, &at), 0);
	assert_int_equal(at.gid, 77);
	assert_int_equal(at.uid, 1000);
	work_release(f->w, at.ino, 1);
	work_release(f->w, d.ino, 1);
}

static void keeps_attributes(void **state)
{
	struct work_fixture *f = *state;
	uint64_t ino;
	char got[32];
	size_t len = sizeof(got);
	struct work_attr at;

	assert_int_equal(work_lookup(f->w, WORK_ROOT_INO, "file", &at), 0);
	ino = at.ino;
	assert_int_equal(work_setxattr(f->w, ino, "user.a", "one", 3, 0), 0);
	assert_int_equal(work_setxattr(f->w, ino, "user.b", "two", 3, 0), 0);
	assert_int_equal(work_setxattr(f->w, ino, "user.a", "x", 1, XATTR_CREATE), EEXIST);
	assert_int_equal(work_setxattr(f->w, ino, "user.c", "x", 1, XATTR_REPLACE), ENODATA);
	assert_int_equal(work_setxattr(f->w, ino, "trusted.c", "x", 1, 0), EOPNOTSUPP);
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_int_equal(work_lookup(f->w, WORK_ROOT_INO, "file", &at), 0);
	assert_int_equal(work_getxattr(f->w, ino, "user.a", got, &len), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(got, "one", 3);
	assert_int_equal(work_removexattr(f->w, ino, "user.a"), 0);
	len = sizeof(got);
	assert_int_equal(work_listxattr(f->w, ino, got, &len), 0);
	assert_int_equal(len, 7);
	assert_string_equal(got, "user.b");
	len = 1;
	assert_int_equal(work_getxattr(f->w, ino, "user.b", got, &len), ERANGE);
	work_release(f->w, ino, 1);
}

static void copies_the_reference_of_a_clean_file(void **state)
{
	struct work_fixture *f = *state;
	struct work_attr from, to;
	uint64_t done;

	assert_int_equal(work_lookup(f->w, WORK_ROOT_INO, "file", &from), 0);
	assert_int_equal(work_create_file(f->w, WORK_ROOT_INO, "copy", 0644, &me, &to), 0);
	assert_int_equal(work_copy_range(f->w, from.ino, 0, to.ino, 0, 1 << 20, &done), 0);
	assert_int_equal(done, 5);
	assert_int_equal(work_getattr(f->w, to.ino, &to), 0);
	assert_true(oid_eq(&to.oid, &from.oid));
	work_release(f->w, from.ino, 1);
	work_release(f->w, to.ino, 1);
	fx_write(f, "copy", 0, "C");
	assert_string_equal(fx_read(f, "copy"), "Cile\n");
	assert_string_equal(fx_read(f, "file"), "file\n");
}

static void cuts_a_torn_tail_and_goes_on(void **state)
{
	struct work_fixture *f = *state;
	char path[64];
	int fd;

	(void)fx_create(f, "one", "1");
	(void)fx_create(f, "two", "2");
	work_fixture_kill(f);
	(void)snprintf(path, sizeof(path), "work/%llu/log", (unsigned long long)f->info.id);
	fd = openat(f->repo->s.fd, path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 3), 0);
	close(fd);
	work_fixture_reopen(f);
	assert_string_equal(fx_read(f, "one"), "1");
	assert_string_equal(fx_read(f, "two"), "<missing>");
	(void)fx_create(f, "three", "3");
	work_fixture_reopen(f);
	assert_string_equal(fx_list(f, ""), "dir exec file link one three ");
}

static void is_open_in_one_place_at_a_time(void **state)
{
	struct work_fixture *f = *state;
	struct work *second = NULL;

	assert_int_equal(work_open(f->repo->p, &f->info, &second), WORK_HELD);
}

static void removes_native_files_nothing_needs(void **state)
{
	struct work_fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "f%d", i);
		(void)fx_create(f, name, "bytes");
		if (i)
			assert_int_equal(fx_unlink(f, name), 0);
	}
	work_fixture_reopen(f);
	work_unref(f->w);
	f->w = NULL;
	assert_string_equal(repo_sh(f->repo, "find ../work -path '*/files/*' -type f | wc -l"),
			    "1");
}

static int stop_after(const char *name, uint64_t cookie, const struct work_attr *attr,
		      void *arg)
{
	uint64_t *last = arg;

	assert_true(cookie > *last);
	*last = cookie;
	return 1;
}

static void lists_each_name_once_while_others_go(void **state)
{
	struct work_fixture *f = *state;
	uint64_t cookie = 0, was;
	int seen = 0;

	(void)fx_mkdir(f, "big");
	for (int i = 0; i < 500; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "big/%d", i);
		(void)fx_create(f, name, "");
	}
	for (;;) {
		char name[32];

		was = cookie;
		assert_int_equal(work_readdir(f->w, fx_lookup(f, "big"), cookie, false,
					      stop_after, &cookie),
				 0);
		if (cookie == was)
			break;
		(void)snprintf(name, sizeof(name), "big/new%d", seen++);
		(void)fx_create(f, name, "");
		assert_true(seen < 2000);
	}
	assert_true(seen >= 500);
}

static int add_path(const char *path, void *arg)
{
	char *all = arg;

	(void)snprintf(all + strlen(all), 256 - strlen(all), "%s ", path);
	return 0;
}

static void tells_what_changed_since(void **state)
{
	struct work_fixture *f = *state;
	char all[256] = "";
	uint64_t t = work_tick(f->w);

	fx_write(f, "dir/a", 0, "x");
	fx_write(f, "dir/a", 0, "y");
	assert_int_equal(fx_unlink(f, "file"), 0);
	assert_int_equal(work_changes_since(f->w, t, add_path, all), 0);
	assert_string_equal(all, "dir/a file ");
	assert_true(work_tick(f->w) > t);
	assert_int_equal(work_changes_since(f->w, t - 1, add_path, all), WORK_CHANGES_UNKNOWN);
	work_fixture_reopen(f);
	assert_int_equal(work_changes_since(f->w, t, add_path, all), WORK_CHANGES_UNKNOWN);
}

static void is_found_by_name(void **state)
{
	struct work_fixture *f = *state;
	struct work_spec spec = {.name = "live"};
	struct work_info info;

	assert_int_equal(work_create(f->repo->p, &spec, &info), WORK_EXISTS);
	spec.name = "../x";
	assert_int_equal(work_create(f->repo->p, &spec, &info), WORK_BAD_NAME);
	spec.name = "two";
	assert_int_equal(work_create(f->repo->p, &spec, &info), 0);
	assert_true(info.id > f->info.id);
	info.autocommit_s = 9;
	assert_int_equal(work_update(f->repo->st, &info), 0);
	assert_int_equal(work_find(f->repo->p, "two", &info), 0);
	assert_int_equal(info.autocommit_s, 9);
	assert_int_equal(work_remove(f->repo->st, info.id), 0);
	assert_int_equal(work_find(f->repo->p, "two", &info), WORK_MISSING);
	assert_int_equal(work_find(f->repo->p, "live", &info), 0);
}

static void an_empty_file_keeps_its_times(void **state)
{
	struct work_fixture *f = *state;
	struct work_attr at, to = {.mtime = {7, 9}};

	assert_int_equal(work_create_file(f->w, WORK_ROOT_INO, "new", 0644, &me, &at), 0);
	assert_int_equal(work_setattr(f->w, at.ino, &to, WORK_SET_MTIME, NULL), 0);
	work_release(f->w, at.ino, 1);
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_string_equal(fx_read(f, "new"), "");
	assert_int_equal(work_fsync(f->w, fx_lookup(f, "new"), false), 0);
	assert_int_equal(fx_stat(f, "new").mtime.tv_sec, 7);
}

static void goes_on_after_a_record_of_a_megabyte(void **state)
{
	struct work_fixture *f = *state;
	struct oid big =
		fx_tree(f, "for i in $(seq 9000); do echo $i >a-rather-long-file-name-that-"
			   "fills-the-log-with-a-hundred-bytes-or-more-for-each-file-$i;"
			   "done");
	const struct oid none = {{0}};

	assert_int_equal(work_switch(f->w, &none, NULL, NULL, NULL), 0);
	assert_int_equal(work_switch(f->w, &big, NULL, NULL, NULL), 0);
	(void)fx_create(f, "x", "1");
	assert_string_equal(fx_read(f, "x"), "1");
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_string_equal(fx_read(f, "x"), "1");
}

#define CLAIM(fn) cmocka_unit_test_setup_teardown(fn, work_fixture_setup, work_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(shows_the_tree_it_was_made_of),
		CLAIM(keeps_numbers_through_copy_up_rename_and_restart),
		CLAIM(never_gives_a_number_twice),
		CLAIM(keeps_what_is_unlinked_while_it_is_held),
		CLAIM(forgets_clean_things_nobody_holds),
		CLAIM(whiteouts_survive_and_names_come_back),
		CLAIM(renames_as_posix_has_it),
		CLAIM(hard_links_share_one_inode),
		CLAIM(directories_go_only_when_empty),
		CLAIM(truncates_and_sets_times),
		CLAIM(hands_down_the_group_of_a_set_gid_directory),
		CLAIM(keeps_attributes),
		CLAIM(copies_the_reference_of_a_clean_file),
		CLAIM(cuts_a_torn_tail_and_goes_on),
		CLAIM(is_open_in_one_place_at_a_time),
		CLAIM(removes_native_files_nothing_needs),
		CLAIM(lists_each_name_once_while_others_go),
		CLAIM(tells_what_changed_since),
		CLAIM(an_empty_file_keeps_its_times),
		CLAIM(goes_on_after_a_record_of_a_megabyte),
		CLAIM(is_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
