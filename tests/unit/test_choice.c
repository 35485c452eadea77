/* tests/unit/test_choice.c - which way a change takes, and why not the others. */
#include "sync/choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/provider.h"

static struct choice choose(struct choice_input in)
{
	struct choice c;

	choice_make(&in, &c);
	return c;
}

static void sends_nothing_when_nothing_differs(void **state)
{
	struct choice c = choose((struct choice_input){.caps = PROVIDER_CAP_AGENT});

	assert_int_equal(c.kind, CHOICE_SAME);
	assert_int_equal(c.ways[CHOICE_SAME].requests, 0);
}

static void names_contents_that_are_inside_already(void **state)
{
	struct choice c = choose((struct choice_input){
		.caps = PROVIDER_CAP_AGENT, .n_changes = 3, .bytes = 90000});

	assert_int_equal(c.kind, CHOICE_RESIDENT);
	assert_int_equal(c.ways[CHOICE_RESIDENT].requests, 1);
	assert_true(c.ways[CHOICE_RESIDENT].bytes < 500);
}

static void streams_what_is_not_inside(void **state)
{
	struct choice_input in = {.caps = PROVIDER_CAP_AGENT,
				  .n_changes = 3,
				  .bytes = 90000,
				  .bytes_away = 90000};

	assert_int_equal(choose(in).kind, CHOICE_STREAM);
	in.bytes_away = 0;
	in.resident_refused = true;
	assert_int_equal(choose(in).kind, CHOICE_STREAM);
}

static void predicts_from_round_trip_and_bandwidth(void **state)
{
	struct choice c = choose((struct choice_input){.caps = PROVIDER_CAP_AGENT,
						       .n_changes = 1,
						       .bytes = 10000000,
						       .bytes_away = 10000000,
						       .rtt_us = 100000,
						       .bytes_per_s = 1000000});

	assert_in_range(c.ways[CHOICE_STREAM].us, 10100000, 10101000);
}

static void says_why_a_way_is_closed(void **state)
{
	struct choice c =
		choose((struct choice_input){.caps = PROVIDER_CAP_EXEC, .n_changes = 1});

	assert_false(c.found);
	assert_string_equal(c.ways[CHOICE_STREAM].because, "no agent can run in the sandbox");
	assert_non_null(c.ways[CHOICE_PER_FILE].because);
}

static void estimates_move_slowly(void **state)
{
	assert_int_equal(choice_ewma(0, 800), 800);
	assert_int_equal(choice_ewma(800, 1600), 900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_nothing_when_nothing_differs),
		cmocka_unit_test(names_contents_that_are_inside_already),
		cmocka_unit_test(streams_what_is_not_inside),
		cmocka_unit_test(predicts_from_round_trip_and_bandwidth),
		cmocka_unit_test(says_why_a_way_is_closed),
		cmocka_unit_test(estimates_move_slowly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
