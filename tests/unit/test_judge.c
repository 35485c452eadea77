/* The judge of names: what passes, what is refused, and that it agrees with git's fsck. */
#include "base/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct row {
	const char *name;
	enum judge_verdict want;
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum judge_verdict got = judge_name(rows[i].name, strlen(rows[i].name));

		if (got != rows[i].want)
			fail_msg("'%s': %s, not %s", rows[i].name, judge_words(got),
				 judge_words(rows[i].want));
	}
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void lets_ordinary_and_odd_names_pass(void **state)
{
	static const struct row rows[] = {
		{"a", JUDGE_FINE},
		{"...", JUDGE_FINE},
		{".gitignore", JUDGE_FINE},
		{".gitmodules", JUDGE_FINE},
		{".github", JUDGE_FINE},
		{"git", JUDGE_FINE},
		{"git~10", JUDGE_FINE},
		{"git~2", JUDGE_FINE},
		{".gi", JUDGE_FINE},
		{"x.git", JUDGE_FINE},
		{".git-x", JUDGE_FINE},
		{".git~1", JUDGE_FINE},
		{"a\nb", JUDGE_FINE},
		{"\x1b[31m", JUDGE_FINE},
		{"\xff\xfe", JUDGE_FINE},
		{" ", JUDGE_FINE},
		{"-rf", JUDGE_FINE},
		{"a\\b", JUDGE_FINE},
		{"\\", JUDGE_FINE},
		{"a:b", JUDGE_FINE},
		{"\xe2\x80\x8c", JUDGE_FINE},
		{"a\xe2\x80\x8c", JUDGE_FINE},
	};

	CHECK(rows);
}

static void refuses_what_no_file_can_be_called(void **state)
{
	static const struct row rows[] = {
		{"", JUDGE_EMPTY},    {".", JUDGE_DOTS},  {"..", JUDGE_DOTS},
		{"a/b", JUDGE_SLASH}, {"/", JUDGE_SLASH}, {"/etc/passwd", JUDGE_SLASH},
	};

	CHECK(rows);
	assert_int_equal(judge_name("a\0b", 3), JUDGE_NUL);
}

static void refuses_every_spelling_of_dotgit(void **state)
{
	static const struct row rows[] = {
		{".git", JUDGE_DOTGIT},
		{".GIT", JUDGE_DOTGIT},
		{".giT", JUDGE_DOTGIT},
		{".git.", JUDGE_DOTGIT},
		{".git ", JUDGE_DOTGIT},
		{".git . .", JUDGE_DOTGIT},
		{".git::$INDEX_ALLOCATION", JUDGE_DOTGIT},
		{".git. :x", JUDGE_DOTGIT},
		{".git\\", JUDGE_DOTGIT},
		{".git\\hooks\\post-checkout", JUDGE_DOTGIT},
		{"a\\.git", JUDGE_DOTGIT},
		{"a\\b\\GIT~1\\config", JUDGE_DOTGIT},
		{"git~1", JUDGE_DOTGIT},
		{"GIT~1", JUDGE_DOTGIT},
		{"git~1. ", JUDGE_DOTGIT},
		{"git~1:x", JUDGE_DOTGIT},
		{".g\xe2\x80\x8cit", JUDGE_DOTGIT},
		{"\xe2\x80\x8d.git", JUDGE_DOTGIT},
		{".git\xef\xbb\xbf", JUDGE_DOTGIT},
		{".GI\xe2\x80\xaaT", JUDGE_DOTGIT},
		{".gi\xe2\x81\xaft\xe2\x80\x8f", JUDGE_DOTGIT},
	};

	CHECK(rows);
}

static void every_code_point_that_hfs_ignores_is_known(void **state)
{
	static const unsigned points[] = {0x200c, 0x200d, 0x200e, 0x200f, 0x202a, 0x202b,
					  0x202c, 0x202d, 0x202e, 0x206a, 0x206b, 0x206c,
					  0x206d, 0x206e, 0x206f, 0xfeff};
	size_t known = 0;

	for (unsigned c = 0x800; c < 0xffff; c++) {
		char name[] = {'.',
			       'g',
			       (char)(0xe0 | c >> 12),
			       (char)(0x80 | (c >> 6 & 0x3f)),
			       (char)(0x80 | (c & 0x3f)),
			       'i',
			       't'};
		enum judge_verdict v = judge_name(name, sizeof(name));

		if (known < sizeof(points) / sizeof(points[0]) && points[known] == c) {
			assert_int_equal(v, JUDGE_DOTGIT);
			known++;
			continue;
		}
		assert_int_equal(v, JUDGE_FINE);
	}
	assert_int_equal(known, 16);
}

static void takes_255_bytes_and_not_one_more(void **state)
{
	char name[256];

	memset(name, 'n', sizeof(name));
	assert_int_equal(judge_name(name, 255), JUDGE_FINE);
	assert_int_equal(judge_name(name, 256), JUDGE_TOO_LONG);
}

static void knows_the_five_modes_of_git(void **state)
{
	static const uint32_t fine[] = {MODE_TREE, MODE_FILE, MODE_EXEC, MODE_LINK,
					MODE_GITLINK};
	static const uint32_t bad[] = {0,       0104755, 060000, 0100664,
				       0100600, 0140000, 040755, ~0U};

	for (size_t i = 0; i < 5; i++)
		assert_int_equal(judge_entry("a", 1, fine[i]), JUDGE_FINE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(judge_entry("a", 1, bad[i]), JUDGE_BAD_MODE);
	assert_int_equal(judge_entry("..", 2, MODE_FILE), JUDGE_DOTS);
}

static void judges_every_component_of_a_path(void **state)
{
	static const struct row rows[] = {
		{"a/b/c", JUDGE_FINE},
		{"a", JUDGE_FINE},
		{"", JUDGE_EMPTY},
		{"/a", JUDGE_EMPTY},
		{"a//b", JUDGE_EMPTY},
		{"a/", JUDGE_EMPTY},
		{"a/../b", JUDGE_DOTS},
		{"./a", JUDGE_DOTS},
		{"a/.git/config", JUDGE_DOTGIT},
		{"a/.GIT ", JUDGE_DOTGIT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(judge_path(rows[i].name, strlen(rows[i].name)), rows[i].want);
}

static void bounds_a_path_in_bytes_and_in_depth(void **state)
{
	char path[4200];

	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 200 == 199 ? '/' : 'p';
	assert_int_equal(judge_path(path, 4095), JUDGE_FINE);
	assert_int_equal(judge_path(path, 4096), JUDGE_TOO_LONG);
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 2 ? '/' : 'p';
	assert_int_equal(judge_path(path, 2 * 128 - 1), JUDGE_FINE);
	assert_int_equal(judge_path(path, 2 * 129 - 1), JUDGE_TOO_LONG);
}

static void has_words_for_every_verdict(void **state)
{
	for (int v = JUDGE_FINE; v <= JUDGE_DUPLICATE; v++)
		assert_string_not_equal(judge_words((enum judge_verdict)v),
					"its verdict is unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_ordinary_and_odd_names_pass),
		cmocka_unit_test(refuses_what_no_file_can_be_called),
		cmocka_unit_test(refuses_every_spelling_of_dotgit),
		cmocka_unit_test(every_code_point_that_hfs_ignores_is_known),
		cmocka_unit_test(takes_255_bytes_and_not_one_more),
		cmocka_unit_test(knows_the_five_modes_of_git),
		cmocka_unit_test(judges_every_component_of_a_path),
		cmocka_unit_test(bounds_a_path_in_bytes_and_in_depth),
		cmocka_unit_test(has_words_for_every_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
