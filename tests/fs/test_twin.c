/* tests/fs/test_twin.c - a work tree and a plain directory cannot be told apart by what is done to them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fs/twin_ops.h"

enum { OPS = 6000, COMPARE_EVERY = 250 };

static void run(struct twin *t, int n)
{
	for (int i = 0; i < n; i++) {
		twin_op(t);
		if (i % COMPARE_EVERY == COMPARE_EVERY - 1)
			twin_compare(t);
	}
	twin_compare(t);
}

static void answers_and_holds_what_the_backing_file_system_does(void **state)
{
	struct twin t;

	twin_init(&t, *state, 1515);
	run(&t, OPS);
	print_message("# %lu of %lu operations were not refused\n", (unsigned long)t.n_done,
		      (unsigned long)t.n_ops);
	assert_true(t.n_done * 5 > t.n_ops);
	twin_deinit(&t);
}

/* Everything but times and numbers that no remount may change is compared by twin_compare(). */
static const char numbers[] = "cd \"$M/demo/live\"; find . -printf '%p %i %C@ %T@\\n' | sort";

static void survive(void **state, int sig, uint64_t seed)
{
	struct mounted *m = *state;
	struct twin t;

	twin_init(&t, m, seed);
	for (int round = 0; round < 6; round++) {
		char *before;

		run(&t, OPS / 12);
		twin_leave(&t);
		before = strdup(mounted_sh(m, "%s", numbers));
		mounted_stop(m, sig);
		mounted_start(m);
		assert_string_equal(mounted_sh(m, "%s", numbers), before);
		free(before);
		twin_return(&t);
		twin_compare(&t);
	}
	twin_deinit(&t);
}

static void keeps_all_of_it_over_a_remount(void **state)
{
	survive(state, SIGTERM, 2);
}

static void keeps_all_of_it_when_the_daemon_is_killed(void **state)
{
	survive(state, SIGKILL, 15);
}

#define CLAIM(fn) cmocka_unit_test_setup_teardown(fn, mounted_setup, mounted_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(answers_and_holds_what_the_backing_file_system_does),
		CLAIM(keeps_all_of_it_over_a_remount),
		CLAIM(keeps_all_of_it_when_the_daemon_is_killed),
	};

	if (!mounted_possible())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
