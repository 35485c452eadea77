/* Switching and snapshots: exactly the tree, nothing that stayed is touched, nothing ignored is lost. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/gitignore.h"
#include "tests/unit/work_fixture.h"

static const struct work_caller me = {1000, 1001};

#define BASE                                                                                   \
	"echo file >file; echo '#!/bin/sh' >exec; chmod +x exec; ln -s file link;"             \
	"mkdir -p dir/sub; echo a >dir/a; echo b >dir/b; echo c >dir/sub/c;"

static char moved_text[1024];

static void moved(uint64_t dir, const char *name, void *arg)
{
	if (name)
		(void)snprintf(moved_text + strlen(moved_text),
			       sizeof(moved_text) - strlen(moved_text), "%s ", name);
}

static const char *switch_to(struct work_fixture *f, const struct oid *tree,
			     struct gitignore *ig)
{
	(void)snprintf(moved_text, sizeof(moved_text), " ");
	assert_int_equal(work_switch(f->w, tree, ig, moved, NULL), 0);
	return moved_text;
}

static char *read_rules(const char *dir, size_t *len, void *arg)
{
	struct work_fixture *f = arg;
	char path[512];
	const char *text;

	(void)snprintf(path, sizeof(path), "%s%s.gitignore", dir, *dir ? "/" : "");
	text = fx_read(f, path);
	if (!strcmp(text, "<missing>"))
		return NULL;
	*len = strlen(text);
	return alloc_str(text);
}

static struct work_snapshot snapshot(struct work_fixture *f, bool with_rules)
{
	struct gitignore *ig = with_rules ? gitignore_new(NULL, 0, read_rules, f) : NULL;
	struct work_snapshot s;

	assert_int_equal(work_snapshot(f->w, ig, NULL, NULL, &s), 0);
	gitignore_free(ig);
	return s;
}

static void changes_what_differs_and_nothing_else(void **state)
{
	struct work_fixture *f = *state;
	struct oid next = fx_tree(f, BASE "echo A >dir/a; rm dir/sub/c; echo d >dir/d;"
					  "mkdir -p new/deep; echo n >new/deep/n");
	struct work_attr b = fx_stat(f, "dir/b"), a = fx_stat(f, "dir/a");
	const char *told = switch_to(f, &next, NULL);

	assert_non_null(strstr(told, " a "));
	assert_non_null(strstr(told, " d "));
	assert_null(strstr(told, " b "));
	for (int i = 0; i < 2; i++) {
		assert_string_equal(fx_list(f, ""), "dir exec file link new ");
		assert_string_equal(fx_list(f, "dir"), "a b d ");
		assert_string_equal(fx_read(f, "dir/a"), "A\n");
		assert_string_equal(fx_read(f, "new/deep/n"), "n\n");
		assert_int_equal(fx_stat(f, "dir/b").ino, b.ino);
		assert_int_equal(fx_stat(f, "dir/b").mtime.tv_nsec, b.mtime.tv_nsec);
		assert_int_not_equal(fx_stat(f, "dir/a").ino, a.ino);
		assert_int_equal(fx_stat(f, "dir").nlink, 2);
		assert_int_equal(fx_stat(f, "").nlink, 4);
		assert_false(work_is_modified(f->w));
		work_fixture_kill(f);
		work_fixture_reopen(f);
	}
}

static void a_file_that_comes_back_is_another(void **state)
{
	struct work_fixture *f = *state;
	struct oid other = fx_tree(f, BASE "echo X >file");
	uint64_t first = fx_lookup(f, "file"), second, third;

	(void)switch_to(f, &other, NULL);
	second = fx_lookup(f, "file");
	(void)switch_to(f, &f->tree, NULL);
	third = fx_lookup(f, "file");
	assert_true(first != second && second != third && first != third);
	assert_string_equal(fx_read(f, "file"), "file\n");
}

static void who_has_the_old_file_goes_on_with_it(void **state)
{
	struct work_fixture *f = *state;
	struct oid other = fx_tree(f, BASE "echo X >file; rm -r dir");
	struct work_attr at, c;
	struct work_bytes b;
	size_t done;

	fx_write(f, "file", 0, "old!");
	assert_int_equal(work_lookup(f->w, WORK_ROOT_INO, "file", &at), 0);
	assert_int_equal(work_resolve(f->w, "dir/sub", &c), 0);
	assert_int_equal(work_lookup(f->w, WORK_ROOT_INO, "dir", &c), 0);
	assert_int_equal(work_lookup(f->w, c.ino, "a", &c), 0);
	(void)switch_to(f, &other, NULL);
	assert_int_equal(work_write(f->w, at.ino, 4, "more", 4, &done), 0);
	assert_int_equal(work_read(f->w, at.ino, 0, 100, &b), 0);
	assert_int_equal(b.len, 8);
	work_bytes_done(f->w, &b);
	assert_int_equal(work_read(f->w, c.ino, 0, 100, &b), 0);
	assert_int_equal(b.len, 2);
	work_bytes_done(f->w, &b);
	assert_int_equal(work_getattr(f->w, c.ino, &c), 0);
	assert_int_equal(c.nlink, 0);
	assert_string_equal(fx_read(f, "file"), "X\n");
	work_release(f->w, at.ino, 1);
	work_release(f->w, c.ino, 1);
}

static void files_become_directories_and_back(void **state)
{
	struct work_fixture *f = *state;
	struct oid other =
		fx_tree(f, "mkdir file exec; echo 1 >file/x; echo 2 >exec/y; ln -s z dir;"
			   "echo l >link");

	fx_write(f, "dir/a", 0, "dirty");
	(void)switch_to(f, &other, NULL);
	assert_string_equal(fx_list(f, ""), "dir exec file link ");
	assert_string_equal(fx_read(f, "file/x"), "1\n");
	assert_int_equal(fx_stat(f, "dir").mode, S_IFLNK | 0777);
	assert_int_equal(fx_stat(f, "").nlink, 4);
	(void)switch_to(f, &f->tree, NULL);
	assert_string_equal(fx_read(f, "dir/a"), "a\n");
	assert_string_equal(fx_list(f, "dir"), "a b sub ");
	assert_int_equal(fx_stat(f, "").nlink, 3);
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_string_equal(fx_list(f, "dir"), "a b sub ");
	assert_string_equal(fx_read(f, "file"), "file\n");
}

static void undoes_everything_untracked(void **state)
{
	struct work_fixture *f = *state;

	(void)fx_create(f, "new", "1");
	(void)fx_mkdir(f, "d");
	(void)fx_create(f, "d/x", "2");
	assert_int_equal(fx_rename(f, "dir", "moved", 0), 0);
	assert_int_equal(fx_unlink(f, "file"), 0);
	fx_write(f, "exec", 0, "??");
	(void)switch_to(f, &f->tree, NULL);
	assert_string_equal(fx_list(f, ""), "dir exec file link ");
	assert_string_equal(fx_list(f, "dir"), "a b sub ");
	assert_string_equal(fx_read(f, "dir/sub/c"), "c\n");
	assert_string_equal(fx_read(f, "exec"), "#!/bin/sh\n");
	assert_int_equal(fx_stat(f, "exec").mode, S_IFREG | 0755);
	assert_int_equal(fx_stat(f, "").nlink, 3);
}

static void ignored_things_stay_and_are_not_committed(void **state)
{
	struct work_fixture *f = *state;
	struct oid next = fx_tree(f, BASE "rm -r dir; echo 'node_modules/\n*.o' >.gitignore");
	struct gitignore *ig;
	struct work_snapshot s;
	struct oid want = fx_tree(f, BASE "echo 'node_modules/\n*.o' >.gitignore; echo s >src");

	(void)fx_create(f, ".gitignore", "node_modules/\n*.o\n");
	(void)fx_mkdir(f, "node_modules");
	(void)fx_create(f, "node_modules/m", "module");
	(void)fx_create(f, "dir/sub/x.o", "object");
	(void)fx_create(f, "src", "s\n");
	s = snapshot(f, true);
	assert_true(oid_eq(&s.tree, &want));
	assert_false(work_is_modified(f->w));
	ig = gitignore_new(NULL, 0, read_rules, f);
	(void)switch_to(f, &next, ig);
	gitignore_free(ig);
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_string_equal(fx_list(f, ""), ".gitignore dir exec file link node_modules ");
	assert_string_equal(fx_read(f, "node_modules/m"), "module");
	assert_string_equal(fx_list(f, "dir"), "sub ");
	assert_string_equal(fx_read(f, "dir/sub/x.o"), "object");
	s = snapshot(f, true);
	assert_true(oid_eq(&s.tree, &next));
}

static void what_is_no_longer_ignored_is_seen(void **state)
{
	struct work_fixture *f = *state;
	struct work_snapshot s;
	struct oid want;

	(void)fx_create(f, ".gitignore", "*.o\n");
	(void)fx_create(f, "dir/sub/x.o", "object\n");
	(void)snapshot(f, true);
	fx_write(f, ".gitignore", 0, "#");
	s = snapshot(f, true);
	want = fx_tree(f, BASE "echo '#.o' >.gitignore; echo object >dir/sub/x.o");
	assert_true(oid_eq(&s.tree, &want));
}

static void a_snapshot_is_what_git_would_write(void **state)
{
	struct work_fixture *f = *state;
	struct work_attr at, to = {.mode = 0755};
	struct work_snapshot s;
	struct oid want =
		fx_tree(f, BASE "echo FILE >file; chmod +x dir/a; rm dir/b; ln -s t l2;"
				"mkdir d e; : >d/empty; mv dir/sub dir/sab; : >d.x");

	fx_write(f, "file", 0, "FILE");
	assert_int_equal(work_lookup(f->w, WORK_ROOT_INO, "dir", &at), 0);
	assert_int_equal(work_lookup(f->w, at.ino, "a", &at), 0);
	assert_int_equal(work_setattr(f->w, at.ino, &to, WORK_SET_MODE, NULL), 0);
	work_release(f->w, at.ino, 1);
	assert_int_equal(fx_unlink(f, "dir/b"), 0);
	assert_int_equal(work_symlink(f->w, WORK_ROOT_INO, "l2", "t", &me, &at), 0);
	(void)fx_mkdir(f, "d");
	(void)fx_mkdir(f, "e");
	(void)fx_create(f, "d/empty", "");
	(void)fx_create(f, "d.x", "");
	assert_int_equal(fx_rename(f, "dir/sub", "dir/sab", 0), 0);
	s = snapshot(f, false);
	assert_true(oid_eq(&s.tree, &want));
	assert_false(work_is_modified(f->w));
	s = snapshot(f, false);
	assert_true(oid_eq(&s.tree, &want));
	assert_int_equal(s.n_files, 0);
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_string_equal(fx_read(f, "file"), "FILE\n");
	assert_string_equal(fx_list(f, "dir"), "a sab ");
	assert_string_equal(fx_list(f, ""), "d d.x dir e exec file l2 link ");
	fx_write(f, "file", 0, "f");
	assert_true(work_is_modified(f->w));
	assert_string_equal(fx_read(f, "file"), "fILE\n");
	(void)switch_to(f, &want, NULL);
	assert_string_equal(fx_read(f, "file"), "FILE\n");
}

static void a_snapshot_keeps_numbers_and_times(void **state)
{
	struct work_fixture *f = *state;
	struct work_attr at;

	fx_write(f, "file", 0, "X");
	at = fx_stat(f, "file");
	(void)snapshot(f, false);
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_int_equal(fx_stat(f, "file").ino, at.ino);
	assert_int_equal(fx_stat(f, "file").size, 5);
	assert_int_equal(fx_stat(f, "file").mtime.tv_sec, at.mtime.tv_sec);
	assert_int_equal(fx_stat(f, "file").mtime.tv_nsec, at.mtime.tv_nsec);
}

static void says(const char *path, const char *why, void *arg)
{
	(void)snprintf((char *)arg + strlen(arg), 256 - strlen(arg), "%s ", path);
}

static void says_what_git_cannot_keep(void **state)
{
	struct work_fixture *f = *state;
	struct work_snapshot s;
	struct work_attr at;
	char told[256] = "";

	assert_int_equal(work_mknod(f->w, WORK_ROOT_INO, "pipe", S_IFIFO | 0600, &me, &at), 0);
	assert_int_equal(work_mknod(f->w, WORK_ROOT_INO, "dev", S_IFCHR | 0600, &me, &at),
			 EPERM);
	(void)fx_mkdir(f, "dir/.git");
	assert_int_equal(work_snapshot(f->w, NULL, says, told, &s), 0);
	assert_true(!strcmp(told, "pipe dir/.git ") || !strcmp(told, "dir/.git pipe "));
	assert_true(oid_eq(&s.tree, &f->tree));
	assert_string_equal(fx_list(f, ""), "dir exec file link pipe ");
}

static void standing_for_another_commit_is_modified(void **state)
{
	struct work_fixture *f = *state;
	struct oid other = fx_tree(f, BASE "echo X >file"), base;

	assert_int_equal(work_rebase(f->w, &other), 0);
	assert_true(work_is_modified(f->w));
	work_fixture_kill(f);
	work_fixture_reopen(f);
	work_base(f->w, &base);
	assert_true(oid_eq(&base, &other));
	(void)switch_to(f, &other, NULL);
	assert_false(work_is_modified(f->w));
}

#define CLAIM(fn) cmocka_unit_test_setup_teardown(fn, work_fixture_setup, work_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(changes_what_differs_and_nothing_else),
		CLAIM(a_file_that_comes_back_is_another),
		CLAIM(who_has_the_old_file_goes_on_with_it),
		CLAIM(files_become_directories_and_back),
		CLAIM(undoes_everything_untracked),
		CLAIM(ignored_things_stay_and_are_not_committed),
		CLAIM(what_is_no_longer_ignored_is_seen),
		CLAIM(a_snapshot_is_what_git_would_write),
		CLAIM(a_snapshot_keeps_numbers_and_times),
		CLAIM(says_what_git_cannot_keep),
		CLAIM(standing_for_another_commit_is_modified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
