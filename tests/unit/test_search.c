/* Search: each content once, every range of fragments right, bounded, and what grep would find. */
#include "store/search.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* ours is another */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "store/refresh.h"
#include "store/search_scan.h"
#include "tests/repo.h"

/* Lines of "<path> <ranges> <line>:<column>:<text>". */
static int note(const struct search_file *f, void *arg)
{
	struct buf *b = arg;

	for (size_t i = 0; i < f->n_lines; i++) {
		assert_int_equal(buf_fmt(b, "%s ", f->path), 0);
		assert_int_equal(search_ranges_text(f->ranges, f->n_ranges, b), 0);
		assert_int_equal(buf_fmt(b, " %u:%u:%.*s\n", f->lines[i].line,
					 f->lines[i].column, (int)f->lines[i].len,
					 f->lines[i].text),
				 0);
	}
	return 0;
}

static void number(struct repo *r)
{
	struct refresh_result res;

	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
}

static struct search_stats assert_found(struct repo *r, const struct search_options *o,
					const char *want)
{
	CLEANUP(buf_deinit) struct buf b;
	struct search_stats stats;

	buf_init(&b, 1 << 20);
	assert_int_equal(search_run(r->p, o, note, &b, &stats), 0);
	assert_string_equal(b.data, want);
	return stats;
}

static const char *const make_some =
	"git checkout -qb main 2>/dev/null || :; "
	"c() { git add -A; git commit -qm \"$1\" --allow-empty; }; "
	"mkdir d; printf 'one\\nneedle 1\\n' >d/f; printf 'a needle' >g; c 1; "
	"printf 'two\\n' >x; c 2; rm g; c 3; printf 'a needle' >g; c 4; "
	"printf 'one\\nneedle 2\\n' >d/f; c 5; printf 'one\\nneedle 1\\n' >d/f; mv g h; c 6; c "
	"7";

static void names_ranges_of_fragments_for_each_path_and_content(void **state)
{
	struct repo *r = *state;
	const struct search_options o = {.pattern = "needle"};
	struct search_stats stats;

	(void)repo_sh(r, make_some);
	number(r);
	stats = assert_found(r, &o,
			     "d/f 1-4,6-7 2:1:needle 1\nd/f 5 2:1:needle 2\n"
			     "g 1-2,4-5 1:3:a needle\nh 6-7 1:3:a needle\n");
	assert_int_equal(stats.n_fragments, 7);
	assert_int_equal(stats.n_blobs, 4);
	assert_int_equal(stats.n_files, 4);
	assert_int_equal(stats.n_lines, 4);
}

static void searches_some_fragments_and_some_paths(void **state)
{
	struct repo *r = *state;
	struct search_options o = {.pattern = "needle", .from = 3, .to = 5};

	(void)repo_sh(r, make_some);
	number(r);
	(void)assert_found(r, &o,
			   "d/f 3-4 2:1:needle 1\nd/f 5 2:1:needle 2\ng 4-5 1:3:a needle\n");
	o.below = "d/";
	(void)assert_found(r, &o, "d/f 3-4 2:1:needle 1\nd/f 5 2:1:needle 2\n");
	o.below = "d/f";
	(void)assert_found(r, &o, "d/f 3-4 2:1:needle 1\nd/f 5 2:1:needle 2\n");
	o.below = "d/ff";
	(void)assert_found(r, &o, "");
}

static void searches_one_tree_without_ranges(void **state)
{
	struct repo *r = *state;
	struct search_options o = {.pattern = "^[no]"};
	CLEANUP(buf_deinit) struct buf b;
	struct search_stats stats;
	struct oid tree;

	buf_init(&b, 4096);
	(void)repo_sh(r, make_some);
	tree = repo_oid(r, "git rev-parse main^{tree}");
	o.tree = &tree;
	assert_int_equal(search_run(r->p, &o, note, &b, &stats), 0);
	assert_string_equal(b.data, "d/f  1:1:one\nd/f  2:1:needle 1\n");
}

static void takes_literals_cases_and_binaries_as_told(void **state)
{
	struct repo *r = *state;
	struct search_options o = {.pattern = "a.c", .literal = true};

	(void)repo_sh(
		r, "git checkout -qb main 2>/dev/null || :; printf 'abc\\nA.C\\na.c\\r\\n' >t; "
		   "printf 'a.c\\0' >bin; ln -s a.c l; git add -A; git commit -qm x");
	number(r);
	assert_int_equal(assert_found(r, &o, "t 1 3:1:a.c\n").n_binary, 1);
	o.ignore_case = true;
	(void)assert_found(r, &o, "t 1 2:1:A.C\nt 1 3:1:a.c\n");
	o.literal = o.ignore_case = false;
	o.binary = true;
	(void)assert_found(r, &o, "bin 1 1:1:a.c\nt 1 1:1:abc\nt 1 3:1:a.c\n");
}

static void says_what_is_wrong_with_a_pattern(void **state)
{
	struct repo *r = *state;
	const struct search_options o = {.pattern = "a(b"};
	struct search_stats stats;

	assert_int_equal(search_run(r->p, &o, note, NULL, &stats), SEARCH_BAD_PATTERN);
	assert_string_equal(stats.why, "missing closing parenthesis at byte 4");
}

static void a_damaged_fragment_is_left_out_and_counted(void **state)
{
	struct repo *r = *state;
	const struct search_options o = {.pattern = "needle"};
	struct search_stats stats;

	(void)repo_sh(r, make_some);
	number(r);
	repo_reopen(r);
	(void)repo_sh(r, "t=$(git rev-parse main~4^{tree}); rm -f $GIT_DIR/objects/$(echo $t | "
			 "cut -c1-2)/$(echo $t | cut -c3-)");
	stats = assert_found(r, &o,
			     "d/f 1-2,4,6-7 2:1:needle 1\nd/f 5 2:1:needle 2\n"
			     "g 1-2,4-5 1:3:a needle\nh 6-7 1:3:a needle\n");
	assert_int_equal(stats.n_unread, 1);
}

static void a_cancelled_search_ends(void **state)
{
	struct repo *r = *state;
	atomic_bool cancel = true;
	const struct search_options o = {.pattern = "needle", .cancel = &cancel};
	struct search_stats stats;

	(void)repo_sh(r, make_some);
	number(r);
	assert_int_equal(search_run(r->p, &o, note, NULL, &stats), SEARCH_CANCELLED);
}

static void agrees_with_grep_on_random_histories(void **state)
{
	struct repo *r = *state;
	const struct search_options o = {.pattern = "[3-5]x?$", .n_threads = 3};
	CLEANUP(buf_deinit) struct buf b;
	struct search_stats stats;
	const char *want;

	(void)repo_sh(
		r, "git checkout -qb main 2>/dev/null || :; i=0; while [ $i -lt 40 ]; do "
		   "i=$((i+1)); for k in 1 2 3; do "
		   "n=$(( (i * 7919 + i * i * 31 + k * 101) % 97 )); f=$((n % 3))/$((n % 5)); "
		   "mkdir -p $((n % 3)); [ $((n % 5)) = 0 ] && rm -f $f || "
		   "printf '%d\\n%dx\\nz' $((n % 7)) $n >$f; done; git add -A; "
		   "GIT_COMMITTER_DATE=\"$((1700000000 + i)) +0000\" "
		   "git commit -qm $i --allow-empty; done");
	number(r);
	want = repo_sh(
		r, "i=0; for c in $(git rev-list --reverse main); do i=$((i+1)); "
		   "git grep -nE '[3-5]x?$' $c | sed \"s/^$c:/$i /\" || :; done | sort -n | "
		   "wc -l");
	buf_init(&b, 1 << 20);
	assert_int_equal(search_run(r->p, &o, note, &b, &stats), 0);
	{
		/* As many (fragment, path, line) as grep counts in all trees. */
		unsigned long n = 0;
		char text[32];

		for (char *line = b.data; *line; line = strchr(line, '\n') + 1) {
			const char *at = strchr(line, ' ') + 1;

			while (*at != ' ') {
				unsigned from = 0, to;

				for (; *at >= '0' && *at <= '9'; at++)
					from = from * 10 + (unsigned)(*at - '0');
				to = from;
				if (*at == '-')
					for (to = 0, at++; *at >= '0' && *at <= '9'; at++)
						to = to * 10 + (unsigned)(*at - '0');
				n += to - from + 1;
				at += *at == ',';
			}
		}
		(void)snprintf(text, sizeof(text), "%lu", n);
		assert_string_equal(text, want);
		assert_true(n > 100);
	}
}

static struct search_hits scan(const char *pattern, const char *data, size_t len)
{
	const struct search_options o = {.pattern = pattern};
	struct search_pattern *p = NULL;
	struct search_scan *s = NULL;
	struct search_hits h = {0};
	char why[SEARCH_WHY_MAX];

	assert_int_equal(search_pattern_new(&o, &p, why), 0);
	assert_int_equal(search_scan_new(p, &s), 0);
	search_scan_run(s, data, len, &h);
	search_scan_free(s);
	search_pattern_free(p);
	return h;
}

static void a_match_never_crosses_a_line(void **state)
{
	struct search_hits h = scan("a\\s+b", "a\nb\na b\n", 8);

	assert_int_equal(h.n, 1);
	assert_int_equal(h.lines[0].line, 3);
	assert_int_equal(h.lines[0].match_len, 3);
	search_hits_deinit(&h);
}

static void empty_matches_and_odd_ends_come_to_an_end(void **state)
{
	struct search_hits h = scan("x*", "\n\na\n", 4);

	assert_int_equal(h.n, 3);
	search_hits_deinit(&h);
	h = scan("$", "a", 1);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.lines[0].column, 2);
	search_hits_deinit(&h);
	h = scan("a\\Kb", "ab\nab\n", 6);
	assert_int_equal(h.n, 2);
	search_hits_deinit(&h);
	h = scan("x", "", 0);
	assert_int_equal(h.n, 0);
	search_hits_deinit(&h);
}

static void bytes_that_are_no_utf8_are_no_error(void **state)
{
	struct search_hits h = scan("b.d",
				    "\xff b\xc3\xa9"
				    "d \xfe\nx\xff\nbad\n",
				    16);

	assert_int_equal(h.n, 2);
	assert_int_equal(h.lines[0].line, 1);
	assert_int_equal(h.lines[0].column, 3);
	assert_int_equal(h.lines[1].line, 3);
	search_hits_deinit(&h);
}

static void a_pattern_that_explodes_is_given_up(void **state)
{
	char text[64];
	struct search_hits h;

	memset(text, 'a', sizeof(text));
	h = scan("(a+)+(a+)+(a+)+$|(?:(a|aa)+)+b", text, sizeof(text) - 1);
	search_hits_deinit(&h);
	text[sizeof(text) - 1] = 'c';
	h = scan("^(a|aa)+$", text, sizeof(text));
	assert_true(h.costly);
	assert_int_equal(h.n, 0);
	search_hits_deinit(&h);
}

static void lines_and_texts_are_bounded(void **state)
{
	size_t len = 40000;
	CLEANUP(free_p) char *text = malloc(len);
	struct search_hits h;

	for (size_t i = 0; i < len; i++)
		text[i] = i % 2 ? '\n' : 'a';
	h = scan("a", text, len);
	assert_int_equal(h.n, SEARCH_LINES_MAX);
	assert_true(h.cut);
	search_hits_deinit(&h);
	memset(text, 'b', len);
	text[len - 1] = 'a';
	h = scan("a", text, len);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.lines[0].len, SEARCH_TEXT_MAX);
	assert_int_equal(h.lines[0].column, len);
	assert_int_equal(h.lines[0].match_len, 0);
	search_hits_deinit(&h);
}

#define ON_A_REPO(claim) cmocka_unit_test_setup_teardown(claim, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_REPO(names_ranges_of_fragments_for_each_path_and_content),
		ON_A_REPO(searches_some_fragments_and_some_paths),
		ON_A_REPO(searches_one_tree_without_ranges),
		ON_A_REPO(takes_literals_cases_and_binaries_as_told),
		ON_A_REPO(says_what_is_wrong_with_a_pattern),
		ON_A_REPO(a_damaged_fragment_is_left_out_and_counted),
		ON_A_REPO(a_cancelled_search_ends),
		ON_A_REPO(agrees_with_grep_on_random_histories),
		cmocka_unit_test(a_match_never_crosses_a_line),
		cmocka_unit_test(empty_matches_and_odd_ends_come_to_an_end),
		cmocka_unit_test(bytes_that_are_no_utf8_are_no_error),
		cmocka_unit_test(a_pattern_that_explodes_is_given_up),
		cmocka_unit_test(lines_and_texts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
