/* The command line: what a verb gets to see, and what is refused before it runs. */
#include "tools/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

enum { WORDS_MAX = 12 };

static const struct cli_option options[] = {
	{'n', "number", "N", "how many"},
	{'f', "foreground", NULL, "stay"},
	{'o', "option", "OPT,...", "mount options"},
	{0, "from", "REV", "where to start"},
	{0, NULL, NULL, NULL},
};

static const struct verb log_verb = {
	.name = "log", .synopsis = "<project>", .options = options, .min_pos = 1, .max_pos = 2};
static const struct verb project_verb = {.name = "project"};
static const struct verb list_verb = {.name = "project list"};
static const struct verb *const table[] = {&log_verb, &list_verb, &project_verb, NULL};

struct fixture {
	struct options o;
	struct buf why;
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	buf_init(&f.why, 4096);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	options_deinit(&f->o);
	buf_deinit(&f->why);
	return 0;
}

/* `words` ends with NULL and starts with the program's name. */
static int parse(struct fixture *f, const struct verb *v, const char *const *words)
{
	struct options_line line = {.argv = (char *const *)(uintptr_t)words,
				    .n_skip = v ? 1 : 0};

	while (words[line.argc])
		line.argc++;
	line.skip = v ? options_skip_common(line.argc, line.argv) : line.argc;
	return options_parse(v, &line, &f->o, &f->why);
}

#define PARSE(f, v, ...) parse(f, v, (const char *const[]){"frag", __VA_ARGS__, NULL})

static void mixes_options_and_arguments(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PARSE(f, &log_verb, "log", "-n", "3", "app", "--from=x", "main"), 0);
	assert_string_equal(f->o.args.values[0], "3");
	assert_null(f->o.args.values[1]);
	assert_string_equal(f->o.args.values[3], "x");
	assert_int_equal(f->o.args.n_pos, 2);
	assert_string_equal(f->o.args.pos[0], "app");
	assert_string_equal(f->o.args.pos[1], "main");
	assert_null(f->o.args.rest);
}

static void takes_common_options_before_and_after_the_verb(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PARSE(f, &log_verb, "--home", "/h", "-q", "log", "app", "--json"), 0);
	assert_string_equal(f->o.home, "/h");
	assert_true(f->o.json);
	assert_true(f->o.quiet);
	assert_string_equal(f->o.args.pos[0], "app");
}

static void bundles_short_flags_and_attaches_values(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PARSE(f, &log_verb, "log", "-qfn7", "app"), 0);
	assert_string_equal(f->o.args.values[0], "7");
	assert_string_equal(f->o.args.values[1], "");
	assert_true(f->o.quiet);
}

static void joins_repeats_only_where_the_table_says_so(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		PARSE(f, &log_verb, "log", "app", "-o", "ro", "-oallow_other", "-n1", "-n2"),
		0);
	assert_string_equal(f->o.args.values[2], "ro,allow_other");
	assert_string_equal(f->o.args.values[0], "2");
}

static void passes_on_untouched_what_follows_two_dashes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PARSE(f, &log_verb, "log", "app", "--", "--json", "-x", "--"), 0);
	assert_int_equal(f->o.args.n_rest, 3);
	assert_string_equal(f->o.args.rest[0], "--json");
	assert_string_equal(f->o.args.rest[2], "--");
	assert_false(f->o.json);
}

static void tells_an_empty_rest_from_none(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PARSE(f, &log_verb, "log", "app", "--"), 0);
	assert_non_null(f->o.args.rest);
	assert_int_equal(f->o.args.n_rest, 0);
}

static void takes_a_lone_dash_as_an_argument(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PARSE(f, &log_verb, "log", "-"), 0);
	assert_string_equal(f->o.args.pos[0], "-");
}

static void refuses_what_makes_no_sense_and_says_what(void **state)
{
	static const struct {
		const char *words[WORDS_MAX], *why;
	} rows[] = {
		{{"frag", "log", "app", "--nope"}, "there is no option '--nope'"},
		{{"frag", "log", "app", "-x"}, "there is no option '-x'"},
		{{"frag", "log", "app", "-fx"}, "there is no option '-fx'"},
		{{"frag", "log", "app", "--fro=1"}, "there is no option '--fro=1'"},
		{{"frag", "log", "app", "--from"}, "a value is missing after '--from'"},
		{{"frag", "log", "app", "-n"}, "a value is missing after '-n'"},
		{{"frag", "log", "app", "--foreground=1"},
		 "no value belongs to option '--foreground=1'"},
		{{"frag", "log"}, "an argument is missing: frag log <project>"},
		{{"frag", "log", "a", "b", "c"}, "one argument too many: 'c'"},
		{{"frag", "log", "app", "--home"}, "a value is missing after '--home'"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&f->why);
		options_deinit(&f->o);
		assert_int_equal(parse(f, &log_verb, rows[i].words), OPTIONS_BAD);
		assert_string_equal(f->why.data, rows[i].why);
	}
}

static void asks_for_no_arguments_when_help_is_wanted(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PARSE(f, &log_verb, "log", "--help"), 0);
	assert_true(f->o.help);
}

static void finds_the_longest_verb(void **state)
{
	const char *const words[] = {"frag", "--home", "x", "project", "list", NULL};
	char *const *argv = (char *const *)(uintptr_t)words;
	const struct verb *v = NULL;
	int at = options_skip_common(5, argv);

	assert_int_equal(at, 3);
	assert_int_equal(options_verb(table, 5, argv, at, &v), 2);
	assert_ptr_equal(v, &list_verb);
	assert_int_equal(options_verb(table, 4, argv, at, &v), 1);
	assert_ptr_equal(v, &project_verb);
	assert_int_equal(options_verb(table, 5, argv, 4, &v), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mixes_options_and_arguments),
		TEST(takes_common_options_before_and_after_the_verb),
		TEST(bundles_short_flags_and_attaches_values),
		TEST(joins_repeats_only_where_the_table_says_so),
		TEST(passes_on_untouched_what_follows_two_dashes),
		TEST(tells_an_empty_rest_from_none),
		TEST(takes_a_lone_dash_as_an_argument),
		TEST(refuses_what_makes_no_sense_and_says_what),
		TEST(asks_for_no_arguments_when_help_is_wanted),
		TEST(finds_the_longest_verb),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
