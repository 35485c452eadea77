/* The raw tree parser: 23 hostile trees, order, duplicates, modes and broken bytes. */
#include "store/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

/* What the parser said, one "<mode> <name> <verdict>" a line. */
struct seen {
	struct buf text;
	size_t n;
};

static int note(const struct tree_entry *e, void *arg)
{
	struct seen *s = arg;

	assert_int_equal(strlen(e->name), e->name_len);
	assert_int_equal(e->size, 0);
	assert_int_equal(e->first_seen, 0);
	assert_int_equal(buf_fmt(&s->text, "%o %s %d\n", e->mode, e->name, e->verdict), 0);
	s->n++;
	return 0;
}

static void add(struct buf *tree, const char *mode, const char *name)
{
	unsigned char oid[OID_LEN];

	memset(oid, (int)(tree->len % 251) + 1, sizeof(oid));
	assert_int_equal(buf_fmt(tree, "%s %s", mode, name), 0);
	assert_int_equal(buf_add(tree, "", 1), 0);
	assert_int_equal(buf_add(tree, oid, sizeof(oid)), 0);
}

struct item {
	const char *mode, *name;
	enum judge_verdict want;
};

struct hostile {
	const char *what;
	struct item items[4]; /* up to the first without a mode */
};

static char long_name[5001];

static const struct hostile hostile[] = {
	{"dot dot", {{"100644", "..", JUDGE_DOTS}, {"100644", "ok", 0}}},
	{"dot", {{"40000", ".", JUDGE_DOTS}, {"100644", "ok", 0}}},
	{"dot git", {{"40000", ".git", JUDGE_DOTGIT}, {"100644", "ok", 0}}},
	{"dot GIT", {{"40000", ".GIT", JUDGE_DOTGIT}, {"100644", "ok", 0}}},
	{"short name", {{"40000", "git~1", JUDGE_DOTGIT}, {"100644", "ok", 0}}},
	{"zwnj", {{"40000", ".g\xe2\x80\x8cit", JUDGE_DOTGIT}, {"100644", "ok", 0}}},
	{"stream", {{"40000", ".git::$INDEX_ALLOCATION", JUDGE_DOTGIT}, {"100644", "ok", 0}}},
	{"slash", {{"100644", "a/b", JUDGE_SLASH}, {"100644", "ok", 0}}},
	{"absolute", {{"100644", "/etc/passwd", JUDGE_SLASH}, {"100644", "ok", 0}}},
	{"empty", {{"100644", "", JUDGE_EMPTY}, {"100644", "ok", 0}}},
	{"backslash", {{"100644", "a\\b", 0}, {"100644", "a\\git~1", JUDGE_DOTGIT}}},
	{"duplicate",
	 {{"100644", "a", 0}, {"100755", "a", JUDGE_DUPLICATE}, {"100644", "ok", 0}}},
	{"link and tree",
	 {{"120000", "a", 0},
	  {"100644", "a.c", 0},
	  {"40000", "a", JUDGE_DUPLICATE},
	  {"100644", "ok", 0}}},
	{"unsorted",
	 {{"100644", "b", 0}, {"100644", "a", JUDGE_UNSORTED}, {"100644", "ok", 0}}},
	{"set-id", {{"104755", "a", JUDGE_BAD_MODE}, {"100644", "ok", 0}}},
	{"device", {{"60000", "a", JUDGE_BAD_MODE}, {"100644", "ok", 0}}},
	{"mode 0", {{"0", "a", JUDGE_BAD_MODE}, {"100644", "ok", 0}}},
	{"zero-padded", {{"040000", "a", 0}, {"0100644", "ok", 0}}},
	{"gitmodules link", {{"120000", ".gitmodules", 0}, {"100644", "ok", 0}}},
	{"5,000 bytes", {{"100644", long_name, JUDGE_TOO_LONG}, {"100644", "ok", 0}}},
	{"newline", {{"100644", "a\nb", 0}, {"100644", "ok", 0}}},
	{"absolute link", {{"120000", "a", 0}, {"100644", "ok", 0}}},
	{"gitlink", {{"160000", "a", 0}, {"100644", "ok", 0}}},
};

static int check_item(const struct tree_entry *e, void *arg)
{
	const struct item **at = arg;

	if (e->verdict != (*at)->want)
		fail_msg("'%.40s': %s, not %s", (*at)->name, judge_words(e->verdict),
			 judge_words((*at)->want));
	assert_null(strchr(e->name, '/'));
	assert_int_not_equal(e->name_len, 0);
	assert_in_range(e->name_len, 1, 255);
	(*at)++;
	return 0;
}

static void judges_the_23_hostile_trees(void **state)
{
	assert_int_equal(sizeof(hostile) / sizeof(hostile[0]), 23);
	memset(long_name, 'a', sizeof(long_name) - 1);
	for (size_t i = 0; i < 23; i++) {
		CLEANUP(buf_deinit) struct buf tree;
		const struct item *at = hostile[i].items;
		const struct item *end = at;

		buf_init(&tree, 1 << 16);
		for (; end < at + 4 && end->mode; end++)
			add(&tree, end->mode, end->name);
		if (tree_parse(tree.data, tree.len, check_item, &at))
			fail_msg("%s: not parsed", hostile[i].what);
		assert_ptr_equal(at, end);
	}
}

static void expect(const char *const *items, const char *want)
{
	CLEANUP(buf_deinit) struct buf tree;
	struct seen seen = {.n = 0};

	buf_init(&tree, 1 << 20);
	buf_init(&seen.text, 1 << 20);
	for (; items[0]; items += 2)
		add(&tree, items[0], items[1]);
	assert_int_equal(tree_parse(tree.data, tree.len, note, &seen), 0);
	assert_string_equal(seen.text.data, want);
	buf_deinit(&seen.text);
}

static void knows_gits_order_of_files_and_trees(void **state)
{
	static const char *const items[] = {"100644", "a",  "100644", "a-b", "40000",  "a.d",
					    "40000",  "ab", "100644", "ac",  "100644", "b.c",
					    "40000",  "b",  "100644", "b0",  NULL};

	expect(items, "100644 a 0\n100644 a-b 0\n40000 a.d 0\n40000 ab 0\n100644 ac 0\n"
		      "100644 b.c 0\n40000 b 0\n100644 b0 0\n");
}

static void refuses_a_tree_sorted_as_if_it_were_a_file(void **state)
{
	static const char *const items[] = {"40000",  "b",  "100644", "b.c",
					    "100644", "b0", NULL};

	expect(items, "40000 b 0\n100644 b.c 8\n100644 b0 0\n");
}

static void finds_a_clash_across_names_between(void **state)
{
	static const char *const items[] = {"100644", "a",     "100644", "a-",    "100644",
					    "a--",    "40000", "a-x",    "40000", "a--",
					    "40000",  "a-",    "40000",  "a",     NULL};

	expect(items, "100644 a 0\n100644 a- 0\n100644 a-- 0\n40000 a-x 0\n40000 a-- 8\n"
		      "40000 a- 8\n40000 a 9\n");
}

static void one_early_giant_does_not_let_duplicates_through(void **state)
{
	static const char *const items[] = {"100644", "z", "100644", "a", "100644", "z", NULL};

	expect(items, "100644 z 0\n100644 a 8\n100644 z 9\n");
}

static void numbers_the_names_nobody_can_show(void **state)
{
	static const char *const items[] = {"100644", "",       "100644", "..", "100644",
					    "a",      "100644", "a/b",    NULL};

	expect(items,
	       "100644 refused-0 1\n100644 refused-1 3\n100644 a 0\n100644 refused-3 4\n");
}

static void takes_the_group_writable_mode_of_old_git_for_a_file(void **state)
{
	static const char *const items[] = {"100664", "a", NULL};

	expect(items, "100644 a 0\n");
}

static void an_empty_tree_has_no_entries(void **state)
{
	struct seen seen = {.n = 0};

	assert_int_equal(tree_parse("", 0, note, &seen), 0);
	assert_int_equal(seen.n, 0);
}

static void every_truncation_is_corrupt(void **state)
{
	CLEANUP(buf_deinit) struct buf tree;
	size_t first;

	buf_init(&tree, 1 << 16);
	add(&tree, "100644", "a");
	first = tree.len;
	add(&tree, "40000", "b");
	for (size_t len = 1; len < tree.len; len++) {
		struct seen seen = {.n = 0};
		int want = len == first ? 0 : TREE_CORRUPT;

		buf_init(&seen.text, 4096);
		assert_int_equal(tree_parse(tree.data, len, note, &seen), want);
		buf_deinit(&seen.text);
	}
}

static void modes_that_are_not_octal_are_corrupt(void **state)
{
	static const char *const modes[] = {"", "9", "10064x", "-1", "+100644", "777777777777",
					    " "};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		CLEANUP(buf_deinit) struct buf tree;
		struct seen seen = {.n = 0};

		buf_init(&tree, 1 << 16);
		add(&tree, modes[i], "a");
		assert_int_equal(tree_parse(tree.data, tree.len, note, &seen), TREE_CORRUPT);
		assert_int_equal(seen.n, 0);
	}
}

static int stop(const struct tree_entry *e, void *arg)
{
	return ++*(int *)arg == 2 ? 77 : 0;
}

static void stops_when_the_callback_says_so(void **state)
{
	CLEANUP(buf_deinit) struct buf tree;
	int n = 0;

	buf_init(&tree, 1 << 16);
	add(&tree, "100644", "a");
	add(&tree, "100644", "b");
	add(&tree, "100644", "c");
	assert_int_equal(tree_parse(tree.data, tree.len, stop, &n), 77);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_the_23_hostile_trees),
		cmocka_unit_test(knows_gits_order_of_files_and_trees),
		cmocka_unit_test(refuses_a_tree_sorted_as_if_it_were_a_file),
		cmocka_unit_test(finds_a_clash_across_names_between),
		cmocka_unit_test(one_early_giant_does_not_let_duplicates_through),
		cmocka_unit_test(numbers_the_names_nobody_can_show),
		cmocka_unit_test(takes_the_group_writable_mode_of_old_git_for_a_file),
		cmocka_unit_test(an_empty_tree_has_no_entries),
		cmocka_unit_test(every_truncation_is_corrupt),
		cmocka_unit_test(modes_that_are_not_octal_are_corrupt),
		cmocka_unit_test(stops_when_the_callback_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
