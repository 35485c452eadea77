/* tests/unit/test_notice.c - the real agent tells, unasked, when the sandbox changed something of its own. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/judge.h"
#include "tests/agent_client.h"
#include "tests/scratch.h"

static const char *agent_path;

struct fixture {
	struct scratch s;
	struct agent_client c;
	uint32_t id; /* of the WATCH */
};

static const struct tree_file empty[] = {{0}};

static const struct tree_file first[] = {
	{"index.html", MODE_FILE, "<h1>one</h1>\n"},
	{"src/a.js", MODE_FILE, "a\n"},
	{0},
};

static const struct tree_file second[] = {
	{"index.html", MODE_FILE, "<h1>two</h1>\n"},
	{"src/a.js", MODE_FILE, "a\n"},
	{"src/deep/er/b.js", MODE_FILE, "b\n"},
	{0},
};

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));
	struct wire_frame r;

	scratch_init(&f->s);
	agent_client_start(&f->c, agent_path, f->s.path);
	r = agent_client_switch(&f->c, empty, first, WIRE_INLINE);
	assert_frame(&r, WIRE_APPLIED);
	r = agent_client_ask(&f->c, (struct wire_frame){.type = WIRE_WATCH});
	assert_frame(&r, WIRE_OK);
	f->id = r.id;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	agent_client_stop(&f->c);
	scratch_deinit(&f->s);
	free(f);
	return 0;
}

static void assert_told(struct fixture *f, uint32_t n_drift)
{
	struct wire_frame r = agent_client_next(&f->c);

	assert_frame(&r, WIRE_CHANGED);
	assert_int_equal(r.id, f->id);
	assert_int_equal(r.n_drift, n_drift);
}

/* A slow machine may look between two changes: what is asked for comes in the end. */
static void await_told(struct fixture *f, uint32_t n_drift)
{
	struct wire_frame r;

	do {
		r = agent_client_next(&f->c);
		assert_frame(&r, WIRE_CHANGED);
	} while (r.n_drift != n_drift);
}

static void tells_of_a_file_that_was_written(void **state)
{
	struct fixture *f = *state;

	scratch_write(&f->s, "app/index.html", "theirs\n");
	await_told(f, 1);
}

static void says_once_more_when_all_is_as_it_was(void **state)
{
	struct fixture *f = *state;

	scratch_write(&f->s, "app/new.txt", "theirs\n");
	await_told(f, 1);
	assert_int_equal(unlinkat(f->s.fd, "app/new.txt", 0), 0);
	await_told(f, 0);
}

static void sees_into_directories_made_after_it_began(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdirat(f->s.fd, "app/src/made", 0755), 0);
	assert_int_equal(mkdirat(f->s.fd, "app/src/made/later", 0755), 0);
	scratch_write(&f->s, "app/src/made/later/a.txt", "1\n");
	await_told(f, 1);
	scratch_write(&f->s, "app/src/made/later/b.txt", "2\n");
	await_told(f, 2);
}

/* The next thing heard after a switch of ours is about what the sandbox did then: one file. */
static void is_silent_about_our_own_applies(void **state)
{
	struct fixture *f = *state;
	struct wire_frame r = agent_client_switch(&f->c, first, second, WIRE_INLINE);

	assert_frame(&r, WIRE_APPLIED);
	scratch_write(&f->s, "app/src/deep/er/b.js", "theirs\n");
	assert_told(f, 1);
}

static void is_silent_about_what_does_not_count(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdirat(f->s.fd, "app/node_modules", 0755), 0);
	scratch_write(&f->s, "app/node_modules/x.js", "bulk\n");
	scratch_write(&f->s, "app/.env", "SECRET=1\n");
	scratch_write(&f->s, "app/counts.txt", "1\n");
	assert_told(f, 1);
}

/* What it leaves out does not count, unless it was applied: a tracked file is never ignored. */
static void heeds_the_project_s_gitignore(void **state)
{
	static const struct tree_file with[] = {
		{".gitignore", MODE_FILE, "*.log\n/out/\n!keep.log\n"},
		{"index.html", MODE_FILE, "<h1>one</h1>\n"},
		{"out/tracked.txt", MODE_FILE, "1\n"},
		{"src/.gitignore", MODE_FILE, "local\n"},
		{"src/a.js", MODE_FILE, "a\n"},
		{0},
	};
	struct fixture *f = *state;
	struct wire_frame r = agent_client_switch(&f->c, first, with, WIRE_INLINE);

	assert_frame(&r, WIRE_APPLIED);
	scratch_write(&f->s, "app/server.log", "1\n");
	scratch_write(&f->s, "app/out/new.txt", "1\n");
	scratch_write(&f->s, "app/src/local", "1\n");
	scratch_write(&f->s, "app/keep.log", "1\n");
	assert_told(f, 1);
	scratch_write(&f->s, "app/out/tracked.txt", "2\n");
	await_told(f, 2);
}

static void tells_of_what_differed_before_it_was_asked(void **state)
{
	struct fixture *f = *state;
	struct wire_frame r;

	scratch_write(&f->s, "app/new.txt", "theirs\n");
	await_told(f, 1);
	r = agent_client_ask(&f->c, (struct wire_frame){.type = WIRE_WATCH});
	assert_frame(&r, WIRE_OK);
	f->id = r.id;
	assert_told(f, 1);
}

static void goes_on_when_the_project_was_replaced(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(renameat(f->s.fd, "app", f->s.fd, "away"), 0);
	await_told(f, 2);
	scratch_write(&f->s, "app/fresh.txt", "1\n");
	await_told(f, 3);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(tells_of_a_file_that_was_written),
		T(says_once_more_when_all_is_as_it_was),
		T(sees_into_directories_made_after_it_began),
		T(is_silent_about_our_own_applies),
		T(is_silent_about_what_does_not_count),
		T(heeds_the_project_s_gitignore),
		T(tells_of_what_differed_before_it_was_asked),
		T(goes_on_when_the_project_was_replaced),
	};

	agent_path = argc > 1 ? argv[1] : NULL;
	if (!agent_path)
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
