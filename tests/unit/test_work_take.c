/* tests/unit/test_work_take.c - what a sandbox changed, laid into a tree somebody works in. */
#include "store/work_take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/gitignore.h"
#include "base/judge.h"
#include "store/work_rules.h"
#include "tests/unit/work_fixture.h"

static char told[512];

static void moved(uint64_t dir, const char *name, void *arg)
{
	(void)snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s ", name);
}

static struct work_take a_file(const char *path, const char *text)
{
	return (struct work_take){
		.path = path, .mode = MODE_FILE, .data = text, .len = strlen(text)};
}

static size_t take(struct work_fixture *f, const struct work_take *files, size_t n)
{
	size_t n_taken;

	told[0] = '\0';
	assert_int_equal(work_take(f->w, &f->tree, files, n, moved, NULL, &n_taken), 0);
	return n_taken;
}

static void puts_files_in_place(void **state)
{
	struct work_fixture *f = *state;
	struct work_take files[] = {
		a_file("file", "theirs\n"),
		a_file("new/deep/x", "x\n"),
		{.path = "run", .mode = MODE_EXEC, .data = "#!\n", .len = 3},
		{.path = "way", .mode = MODE_LINK, .data = "dir/a", .len = 5},
	};

	assert_int_equal(take(f, files, 4), 4);
	assert_string_equal(fx_read(f, "file"), "theirs\n");
	assert_string_equal(fx_read(f, "new/deep/x"), "x\n");
	assert_int_equal(fx_stat(f, "run").mode, S_IFREG | 0755);
	assert_true(S_ISLNK(fx_stat(f, "way").mode));
	assert_string_equal(told, "file new deep x run way ");
	assert_string_equal(fx_list(f, ""), "dir exec file link new run way ");
}

static void removes_files_and_directories_that_became_empty(void **state)
{
	struct work_fixture *f = *state;
	const struct work_take files[] = {{.path = "dir/sub/c"}, {.path = "dir/a"}};

	assert_int_equal(take(f, files, 2), 2);
	assert_string_equal(fx_list(f, "dir"), "b ");
	assert_string_equal(told, "c sub a ");
}

static void leaves_alone_what_somebody_changed(void **state)
{
	struct work_fixture *f = *state;
	struct work_take files[] = {
		a_file("file", "theirs\n"), {.path = "dir/a"}, a_file("made", "theirs\n")};

	fx_write(f, "file", 0, "mine\n");
	fx_write(f, "dir/a", 0, "mine\n");
	fx_create(f, "made", "mine\n");
	assert_int_equal(take(f, files, 3), 0);
	assert_string_equal(fx_read(f, "file"), "mine\n");
	assert_string_equal(fx_read(f, "dir/a"), "mine\n");
	assert_string_equal(fx_read(f, "made"), "mine\n");
	assert_string_equal(told, "");
}

static void turns_a_file_into_a_directory(void **state)
{
	struct work_fixture *f = *state;
	struct work_take files[] = {{.path = "file"}, a_file("file/inside", "x\n")};

	assert_int_equal(take(f, files, 2), 2);
	assert_string_equal(fx_read(f, "file/inside"), "x\n");
}

static void never_stands_in_the_way_of_a_directory(void **state)
{
	struct work_fixture *f = *state;
	struct work_take files[] = {a_file("dir", "x\n"), a_file("file/below", "x\n")};

	assert_int_equal(take(f, files, 2), 0);
	assert_string_equal(fx_list(f, ""), "dir exec file link ");
}

static void refuses_names_that_git_cannot_store(void **state)
{
	struct work_fixture *f = *state;
	struct work_take files[] = {a_file(".git/hooks/x", "x\n"), a_file("../out", "x\n")};

	assert_int_equal(take(f, files, 2), 0);
}

static void what_was_taken_survives_a_kill(void **state)
{
	struct work_fixture *f = *state;
	struct work_take files[] = {a_file("file", "theirs\n"), {.path = "dir/a"}};

	assert_int_equal(take(f, files, 2), 2);
	work_fixture_kill(f);
	work_fixture_reopen(f);
	assert_string_equal(fx_read(f, "file"), "theirs\n");
	assert_string_equal(fx_list(f, "dir"), "b sub ");
}

static void reads_rules_that_nobody_touched(void **state)
{
	struct work_fixture *f = *state;
	struct oid tree =
		fx_tree(f, "mkdir d; echo '*.o' >.gitignore; echo '!k.o' >d/.gitignore");
	struct gitignore *ig;

	assert_int_equal(work_switch(f->w, &tree, NULL, moved, NULL), 0);
	work_fixture_reopen(f);
	ig = work_rules_new(f->w);
	assert_true(gitignore_match(ig, "a.o", false));
	assert_false(gitignore_match(ig, "d/k.o", false));
	gitignore_free(ig);
}

static void reads_its_rules_from_its_own_files(void **state)
{
	struct work_fixture *f = *state;
	struct gitignore *ig;

	fx_create(f, ".gitignore", "*.log\n");
	fx_create(f, "dir/.gitignore", "!keep.log\n");
	ig = work_rules_new(f->w);
	assert_true(gitignore_match(ig, "a.log", false));
	assert_false(gitignore_match(ig, "dir/keep.log", false));
	assert_false(gitignore_match(ig, "file", false));
	gitignore_free(ig);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, work_fixture_setup, work_fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(puts_files_in_place),
		T(removes_files_and_directories_that_became_empty),
		T(leaves_alone_what_somebody_changed),
		T(turns_a_file_into_a_directory),
		T(never_stands_in_the_way_of_a_directory),
		T(refuses_names_that_git_cannot_store),
		T(what_was_taken_survives_a_kill),
		T(reads_rules_that_nobody_touched),
		T(reads_its_rules_from_its_own_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
