/* Counting a patch: hunks are believed, not what their lines look like. */
#include "tools/diffstat.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static int note(const struct diffstat_file *f, void *arg)
{
	return buf_fmt(arg, "%.*s +%" PRIu64 " -%" PRIu64 "%s\n", (int)f->path_len, f->path,
		       f->added, f->deleted, f->binary ? " binary" : "");
}

static void check(const char *patch, const char *want)
{
	CLEANUP(buf_deinit) struct buf got;

	buf_init(&got, 4096);
	assert_int_equal(diffstat_each(patch, strlen(patch), note, &got), 0);
	assert_string_equal(got.data, want);
}

#define HEAD(x) "diff --git a/" x " b/" x "\nindex 1..2 100644\n--- a/" x "\n+++ b/" x "\n"

static void counts_added_and_deleted_lines(void **state)
{
	check(HEAD("src/x.c") "@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n", "src/x.c +1 -1\n");
}

static void takes_several_files_and_hunks(void **state)
{
	check(HEAD("x") "@@ -1 +1,2 @@\n a\n+b\n@@ -9,2 +10 @@ f()\n-c\n d\n" HEAD(
		      "y") "@@ -0,0 +1 @@\n+e\n",
	      "x +1 -1\ny +1 -0\n");
}

static void believes_a_hunks_numbers_over_its_looks(void **state)
{
	check(HEAD("x") "@@ -1,2 +1,2 @@\n--- a/old\n-- \n+++ b/new\n+diff --git a/q b/q\n",
	      "x +2 -2\n");
}

static void names_new_and_deleted_files(void **state)
{
	check("diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 "
	      "@@\n+x\n",
	      "n +1 -0\n");
	check("diff --git a/o b/o\ndeleted file mode 100644\n--- a/o\n+++ /dev/null\n@@ -1 "
	      "+0,0 @@\n-x\n",
	      "o +0 -1\n");
}

static void names_files_without_a_hunk(void **state)
{
	check("diff --git a/m b/m\nold mode 100644\nnew mode 100755\n", "m +0 -0\n");
	check("diff --git a/i.png b/i.png\nindex 1..2\nBinary files a/i.png and b/i.png "
	      "differ\n",
	      "i.png +0 -0 binary\n");
	check("diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n",
	      "b +0 -0\n");
}

static void survives_what_is_no_patch(void **state)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		"@@ -",
		"@@ -1,99999999999999 +1\n+",
		"diff --git ",
		"diff --git a\n",
		"--- ",
		"+++ ",
		"rename to ",
		"diff --git a/x b/x\n@@ -5,5 +5,5 @@",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEANUP(buf_deinit) struct buf got;

		buf_init(&got, 4096);
		assert_int_equal(diffstat_each(texts[i], strlen(texts[i]), note, &got), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_added_and_deleted_lines),
		cmocka_unit_test(takes_several_files_and_hunks),
		cmocka_unit_test(believes_a_hunks_numbers_over_its_looks),
		cmocka_unit_test(names_new_and_deleted_files),
		cmocka_unit_test(names_files_without_a_hunk),
		cmocka_unit_test(survives_what_is_no_patch),
	};

	return cmocka_run_group_tests_name("diffstat", tests, NULL, NULL);
}
