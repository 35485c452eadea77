/* tests/unit/test_rollout.c - shares of projects, and whose they are. */
#include "provider/rollout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { PROJECTS = 10000 };

static size_t choose(unsigned local, unsigned e2b, int project)
{
	const struct rollout_share shares[] = {{"local", local}, {"e2b", e2b}};
	char name[32];

	(void)snprintf(name, sizeof(name), "project-%d", project);
	return rollout_choose(shares, 2, name);
}

static void gives_each_its_share(void **state)
{
	int n = 0;

	for (int i = 0; i < PROJECTS; i++)
		n += choose(90, 10, i) == 1;
	assert_in_range(n, PROJECTS / 10 - 150, PROJECTS / 10 + 150);
}

static void keeps_who_was_in_when_a_share_grows(void **state)
{
	for (int i = 0; i < PROJECTS; i++)
		if (choose(90, 10, i) == 1)
			assert_int_equal(choose(70, 30, i), 1);
}

static void gives_all_back_at_nought(void **state)
{
	for (int i = 0; i < PROJECTS; i++) {
		assert_int_equal(choose(100, 0, i), 0);
		assert_int_equal(choose(0, 1, i), 1);
		assert_int_equal(choose(0, 0, i), 2);
	}
}

/* Users' projects are where this says, so it may not change from one release to the next. */
static void is_the_same_everywhere_and_for_ever(void **state)
{
	unsigned long long bits = 0;

	for (int i = 0; i < 64; i++)
		bits = bits << 1 | (choose(1, 1, i) == 1);
	assert_int_equal(bits, 0xf698c4c6b016be38ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_each_its_share),
		cmocka_unit_test(keeps_who_was_in_when_a_share_grows),
		cmocka_unit_test(gives_all_back_at_nought),
		cmocka_unit_test(is_the_same_everywhere_and_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
