/* tests/unit/test_gitignore.c - what git ignores, case by case, and then a thousand made-up rules with git itself as the judge. */
#include "base/gitignore.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io.h"
#include "tests/repo.h"

/* Texts of .gitignore files, by directory; ends with a NULL. */
struct text {
	const char *dir, *rules;
};

static char *read_text(const char *dir, size_t *len, void *arg)
{
	for (const struct text *t = arg; t->dir; t++) {
		if (!strcmp(t->dir, dir)) {
			*len = strlen(t->rules);
			return alloc_str(t->rules);
		}
	}
	return NULL;
}

static bool ignored(const char *rules, const char *path, bool is_dir)
{
	struct text texts[] = {{"", rules}, {NULL, NULL}};
	struct gitignore *ig = gitignore_new(NULL, 0, read_text, texts);
	bool ret = gitignore_match(ig, path, is_dir);

	gitignore_free(ig);
	return ret;
}

static void follows_the_rules_of_the_manual(void **state)
{
	static const struct {
		const char *rules, *path;
		bool is_dir, yes;
	} table[] = {
		{"*.o\n", "a.o", false, true},
		{"*.o\n", "deep/down/a.o", false, true},
		{"*.o\n!keep.o\n", "keep.o", false, false},
		{"!keep.o\n*.o\n", "keep.o", false, true},
		{"/top\n", "top", false, true},
		{"/top\n", "a/top", false, false},
		{"a/b\n", "a/b", false, true},
		{"a/b\n", "x/a/b", false, false},
		{"build/\n", "build", true, true},
		{"build/\n", "build", false, false},
		{"build/\n", "build/x/y", false, true},
		{"build/\n!build/x\n", "build/x", false, true},
		{"build/*\n!build/x\n", "build/x", false, false},
		{"**/foo\n", "foo", false, true},
		{"**/foo\n", "a/b/foo", false, true},
		{"abc/**\n", "abc/x/y", false, true},
		{"abc/**\n", "abc", true, false},
		{"a/**/b\n", "a/b", false, true},
		{"a/**/b\n", "a/x/y/b", false, true},
		{"a/**b\n", "a/x/b", false, false},
		{"foo*bar/x\n", "foo/bar/x", false, false},
		{"\\#x\n", "#x", false, true},
		{"#x\n", "#x", false, false},
		{"\\!x\n", "!x", false, true},
		{"x \n", "x", false, true},
		{"x\\ \n", "x ", false, true},
		{"x\r\n", "x", false, true},
		{"x\r", "x", false, true},
		{"x\\\n", "x\\", false, false},
		{"x", "x", false, true},
		{"\xef\xbb\xbfx\n", "x", false, true},
		{"[a-c]x\n", "bx", false, true},
		{"[!a-c]x\n", "bx", false, false},
		{"[^a-c]x\n", "dx", false, true},
		{"[]x]\n", "]", false, true},
		{"[[:digit:]]\n", "7", false, true},
		{"[[:nonsense:]]\n", "n", false, false},
		{"a[/]b\n", "a/b", false, false},
		{"a?b\n", "a/b", false, false},
		{"[a\n", "[a", false, false},
		{"/\n", "x", true, false},
		{"!\n\n   \n", "x", false, false},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (ignored(table[i].rules, table[i].path, table[i].is_dir) != table[i].yes)
			fail_msg("'%s' with rules '%s': not %s", table[i].path, table[i].rules,
				 table[i].yes ? "ignored" : "kept");
	}
}

static void deeper_files_outweigh_higher_ones_and_exclude_comes_last(void **state)
{
	struct text texts[] = {{"", "*.log\n"}, {"sub", "!*.log\nx\n"}, {NULL, NULL}};
	static const char exclude[] = "!a.log\n*.tmp\n";
	struct gitignore *ig = gitignore_new(exclude, sizeof(exclude) - 1, read_text, texts);

	assert_true(gitignore_match(ig, "a.log", false));
	assert_false(gitignore_match(ig, "sub/a.log", false));
	assert_false(gitignore_match(ig, "sub/deep/a.log", false));
	assert_true(gitignore_match(ig, "sub/deep/x", true));
	assert_false(gitignore_match(ig, "x", true));
	assert_true(gitignore_match(ig, "other/a.tmp", false));
	gitignore_free(ig);
}

static void does_not_look_into_what_is_ignored(void **state)
{
	struct text texts[] = {
		{"", "out/\n"}, {"out", "!*\n"}, {"out/in", "!*\n"}, {NULL, NULL}};
	struct gitignore *ig = gitignore_new(NULL, 0, read_text, texts);

	assert_true(gitignore_match(ig, "out/in/x", false));
	gitignore_free(ig);
}

static void time_does_not_explode(void **state)
{
	char path[4096];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	for (size_t i = 1; i < sizeof(path); i += 2)
		path[i] = i % 64 == 63 ? '/' : 'a';
	path[sizeof(path) - 1] = '\0';
	assert_false(ignored("/**/a*a*a*a*a*/**/a*a*a*a*b/**/*a*a*a*a*a*c\n", path, false));
}

/* ---- against git ---- */

struct dice {
	uint64_t s;
};

static unsigned roll(struct dice *d, unsigned n)
{
	d->s = d->s * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(d->s >> 33) % n;
}

static void make_rules(struct dice *d, struct buf *b)
{
	static const char *const parts[] = {
		"a",       "b",           "ab",       "abc",        "x",      "*",
		"**",      "?",           "/",        "/",          "/",      "!",
		"#",       " ",           "\\",       "[ab]",       "[!a]",   "[a-c]",
		"[]a]",    "[[:alpha:]]", "[a-",      "\r",         "*.",     ".",
		"-",       "**/",         "/**",      "[[:x:]b]",   "[\\]b]", "[^/]",
		"[a-b-x]", "\\*",         "\\ ",      "***",        "a*",     "*b",
		"[[:]",    "[!]a]",       "\xc3\xa9", "[[:upper:]",
	};
	unsigned lines = 1 + roll(d, 5);

	buf_clear(b);
	while (lines--) {
		unsigned n = 1 + roll(d, 5);

		if (!roll(d, 6))
			assert_int_equal(buf_str(b, "!"), 0);
		while (n--)
			assert_int_equal(
				buf_str(b, parts[roll(d, sizeof(parts) / sizeof(*parts))]), 0);
		if (lines || roll(d, 2))
			assert_int_equal(buf_str(b, "\n"), 0);
	}
}

/* Paths of one tree: `n` of them, each with what it is. */
enum { PATHS_MAX = 60, PATH_LEN = 64, RULES_DIRS = 8 };

struct world {
	char paths[PATHS_MAX][PATH_LEN];
	bool is_dir[PATHS_MAX];
	size_t n;
	int tree; /* descriptor */
	struct text rules[RULES_DIRS + 1];
	char *texts[RULES_DIRS];
	size_t n_rules;
};

static void put_rules(struct world *w, struct dice *d, struct buf *b, const char *dir)
{
	char file[PATH_LEN + 16];

	if (w->n_rules == RULES_DIRS)
		return;
	make_rules(d, b);
	(void)snprintf(file, sizeof(file), "%s%s.gitignore", dir, *dir ? "/" : "");
	assert_int_equal(io_replace(w->tree, file, b->data, b->len, 0600), 0);
	w->texts[w->n_rules] = alloc_str(b->data);
	w->rules[w->n_rules] = (struct text){dir, w->texts[w->n_rules]};
	w->n_rules++;
}

static void make_dir(struct world *w, struct dice *d, struct buf *b, const char *dir, int depth)
{
	static const char *const names[] = {"a",   "b", "ab",       "abc", "x",
					    "a.b", "]", "-",        "a b", "#a",
					    "!b",  "*", "\xc3\xa9", "a ",  "bb"};
	unsigned count = 2 + roll(d, 3);

	if (depth && !roll(d, 3))
		put_rules(w, d, b, dir);
	for (unsigned i = 0; i < count && w->n < PATHS_MAX; i++) {
		char *path = w->paths[w->n];
		bool is_dir = depth < 3 && roll(d, 2);
		struct stat st;

		(void)snprintf(path, PATH_LEN, "%s%s%s", dir, *dir ? "/" : "",
			       names[roll(d, sizeof(names) / sizeof(*names))]);
		if (!fstatat(w->tree, path, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		w->is_dir[w->n++] = is_dir;
		if (!is_dir) {
			assert_int_equal(io_replace(w->tree, path, "", 0, 0600), 0);
			continue;
		}
		assert_int_equal(mkdirat(w->tree, path, 0700), 0);
		make_dir(w, d, b, path, depth + 1);
	}
}

static bool listed(const char *list, size_t len, const char *path)
{
	for (const char *p = list; p < list + len; p += strlen(p) + 1) {
		if (!strcmp(p, path))
			return true;
	}
	return false;
}

static void say_what_git_says(struct repo *r, struct world *w, struct buf *b, uint64_t seed)
{
	static char list[PATHS_MAX * PATH_LEN];
	struct buf exclude;
	struct gitignore *ig;
	const char *text;
	size_t len;

	buf_clear(b);
	for (size_t i = 0; i < w->n; i++)
		assert_int_equal(buf_add(b, w->paths[i], strlen(w->paths[i]) + 1), 0);
	assert_int_equal(io_replace(r->s.fd, "paths", b->data, b->len, 0600), 0);
	text = repo_sh(
		r, "git check-ignore --no-index -z --stdin <../paths >../out || test $? = 1;"
		   "wc -c <../out");
	assert_non_null(text);
	buf_clear(b);
	assert_int_equal(io_slurp(r->s.fd, "out", b), 0);
	len = b->len;
	assert_true(len < sizeof(list));
	memcpy(list, b->data, len);
	buf_init(&exclude, 4096);
	assert_int_equal(io_slurp(r->s.fd, "projects/demo.git/info/exclude", &exclude), 0);
	ig = gitignore_new(exclude.data, exclude.len, read_text, w->rules);
	for (size_t i = 0; i < w->n; i++) {
		if (gitignore_match(ig, w->paths[i], w->is_dir[i]) !=
		    listed(list, len, w->paths[i])) {
			for (size_t k = 0; k < w->n_rules; k++)
				print_error("'%s/.gitignore':\n%s\n", w->rules[k].dir,
					    w->rules[k].rules);
			print_error("exclude:\n%s\n", exclude.data);
			fail_msg("seed %llu, path '%s': git says otherwise",
				 (unsigned long long)seed, w->paths[i]);
		}
	}
	gitignore_free(ig);
	buf_deinit(&exclude);
}

static void agrees_with_git_on_made_up_rules(void **state)
{
	struct repo *r = *state;
	struct buf b;

	buf_init(&b, 1 << 16);
	assert_int_equal(io_mkdirs(r->s.fd, "projects/demo.git/info", 0700), 0);
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct dice d = {seed * 0x9e3779b97f4a7c15ULL};
		static struct world w;

		w = (struct world){0};
		assert_int_equal(io_remove_tree(r->s.fd, "tree"), 0);
		assert_int_equal(mkdirat(r->s.fd, "tree", 0700), 0);
		w.tree = io_open_beneath(r->s.fd, "tree", O_RDONLY | O_DIRECTORY, 0);
		make_rules(&d, &b);
		assert_int_equal(io_replace(r->s.fd, "projects/demo.git/info/exclude", b.data,
					    b.len, 0600),
				 0);
		put_rules(&w, &d, &b, "");
		make_dir(&w, &d, &b, "", 0);
		say_what_git_says(r, &w, &b, seed);
		for (size_t i = 0; i < w.n_rules; i++)
			free(w.texts[i]);
		close(w.tree);
	}
	buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_the_rules_of_the_manual),
		cmocka_unit_test(deeper_files_outweigh_higher_ones_and_exclude_comes_last),
		cmocka_unit_test(does_not_look_into_what_is_ignored),
		cmocka_unit_test(time_does_not_explode),
		cmocka_unit_test_setup_teardown(agrees_with_git_on_made_up_rules, repo_setup,
						repo_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
