/* Times as text: both directions agree, and odd input is clamped or refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static void reads_the_forms_people_write(void **state)
{
	static const struct {
		const char *text;
		int64_t t;
		int tz;
	} forms[] = {
		{"1970-01-01", 0, 0},
		{"2026-11-23", 1795392000, 0},
		{"2026-11-23T06:31", 1795415460, 0},
		{"2026-11-23 06:31:05", 1795415465, 0},
		{"2026-11-23T06:31:05Z", 1795415465, 0},
		{"2026-11-23T06:31:05.123456Z", 1795415465, 0},
		{"2026-11-23T06:31:05,5Z", 1795415465, 0},
		{"2026-11-23T07:31:05+01:00", 1795415465, 60},
		{"2026-11-23T01:01:05-0530", 1795415465, -330},
		{"2026-11-23T08:31:05+02", 1795415465, 120},
		{"2024-02-29", 1709164800, 0},
		{"0000-01-01", -62167219200, 0},
		{"9999-12-31T23:59:59Z", 253402300799, 0},
		{"2016-12-31T23:59:60Z", 1483228800, 0},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		int64_t t = 0;
		int tz = -1;

		assert_int_equal(clock_parse(forms[i].text, &t, &tz), 0);
		if (t != forms[i].t || tz != forms[i].tz)
			fail_msg("'%s' read as %lld at %d", forms[i].text, (long long)t, tz);
	}
}

static void refuses_what_is_no_time(void **state)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-11",
		"2026-13-01",
		"2026-00-01",
		"2026-11-31-",
		"2026-11-00",
		"2026-02-30",
		"2025-02-29",
		"1900-02-29",
		"2026-11-23T",
		"2026-11-23T06",
		"2026-11-23T24:00",
		"2026-11-23T06:60",
		"2026-11-23T06:31:61",
		"2026-11-23T06:31:",
		"2026-11-23T06:31+",
		"2026-11-23T06:31+15:00",
		"2026-11-23T06:31+01:60",
		"2026-11-23T06:31Zx",
		"2026-11-23x",
		"-026-11-23",
		"main~3",
		"20261123",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int64_t t = 42;
		int tz = 42;

		if (clock_parse(bad[i], &t, &tz) != -EINVAL)
			fail_msg("'%s' was taken for a time", bad[i]);
		assert_int_equal(t, 42);
		assert_int_equal(tz, 42);
	}
}

static void writes_what_it_reads(void **state)
{
	static const int zones[] = {0, 60, -60, 330, -570, 840, -720};
	char text[CLOCK_TEXT_MAX];

	for (int64_t t = -62135596800; t < 253370764800; t += 86400LL * 731 + 12345) {
		for (size_t z = 0; z < sizeof(zones) / sizeof(*zones); z++) {
			int64_t back = 0;
			int tz = 0;

			assert_int_equal(clock_parse(clock_iso(t, zones[z], text), &back, &tz),
					 0);
			assert_true(back == t);
			assert_int_equal(tz, zones[z]);
		}
	}
}

static void writes_a_zone_with_its_sign(void **state)
{
	char text[CLOCK_TEXT_MAX];

	assert_string_equal(clock_iso(0, 0, text), "1970-01-01T00:00:00Z");
	assert_string_equal(clock_iso(0, 330, text), "1970-01-01T05:30:00+05:30");
	assert_string_equal(clock_iso(0, -30, text), "1969-12-31T23:30:00-00:30");
}

static void clamps_times_git_cannot_express(void **state)
{
	char text[CLOCK_TEXT_MAX];

	assert_string_equal(clock_iso(INT64_MAX, 0, text), "9999-12-31T23:59:59Z");
	assert_string_equal(clock_iso(INT64_MIN, 0, text), "0000-01-01T00:00:00Z");
	assert_string_equal(clock_iso(INT64_MAX, 1439, text), "9999-12-31T23:59:59+23:59");
	assert_string_equal(clock_iso(0, 99999, text), "1970-01-01T00:00:00Z");
	assert_string_equal(clock_iso(0, INT32_MIN, text), "1970-01-01T00:00:00Z");
}

static void the_systems_clock_does_not_run_backwards(void **state)
{
	const struct clock *c = clock_system();
	int64_t before = clock_now(c), ns = clock_ns();

	assert_true(clock_ns() >= ns);
	assert_true(clock_now(c) >= before);
	assert_true(clock_wall(c) > 1700000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_forms_people_write),
		cmocka_unit_test(refuses_what_is_no_time),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(writes_a_zone_with_its_sign),
		cmocka_unit_test(clamps_times_git_cannot_express),
		cmocka_unit_test(the_systems_clock_does_not_run_backwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
