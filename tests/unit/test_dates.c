/* tests/unit/test_dates.c - fragments by day, whatever git dates them. */
#include "fs/dates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/fragment.h"

static const char *day_at(int64_t time)
{
	static char text[DATES_TEXT_MAX];
	struct fragment f = {.time = time};

	dates_day_of(&f, text);
	return text;
}

static void names_days_in_utc(void **state)
{
	assert_string_equal(day_at(0), "1970-01-01");
	assert_string_equal(day_at(-1), "1969-12-31");
	assert_string_equal(day_at(86399), "1970-01-01");
	assert_string_equal(day_at(951782400), "2000-02-29");
	assert_string_equal(day_at(1795420800), "2026-11-23");
}

static void clamps_what_no_calendar_holds(void **state)
{
	assert_string_equal(day_at(INT64_MAX), "9999-12-31");
	assert_string_equal(day_at(INT64_MIN), "0000-01-01");
	assert_string_equal(day_at(253402300800), "9999-12-31");
}

static void reads_days_back_exactly(void **state)
{
	static const uint32_t days[] = {0, 1, 366, 719528, 730178, DATES_DAY_MAX};
	static const char *const bad[] = {"",           "2026-11-31",  "2026-1-1",
					  "x",          "2026-11-23T", "20261123",
					  "2026-13-01", "-001-01-01"};
	char text[DATES_TEXT_MAX];

	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		dates_day_text(days[i], text);
		assert_int_equal(dates_day_parse(text), days[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(dates_day_parse(bad[i]), -1);
}

static void names_a_fragment_by_time_and_hash(void **state)
{
	struct fragment f = {.time = 1795415460};
	char name[DATES_NAME_MAX];

	memcpy(f.commit.id, "\x01\x23\x45\x67\x89\xab\xcd", 7);
	dates_name(&f, name);
	assert_string_equal(name, "063100-0123456789ab");
}

static void finds_by_day_and_number(void **state)
{
	struct date sorted[] = {{5, 1, 10}, {5, 7, 11}, {9, 3, 12}}, got[4];
	struct dates d;

	dates_init(&d);
	d.items = malloc(sizeof(sorted));
	memcpy(d.items, sorted, sizeof(sorted));
	d.n = 3;
	assert_int_equal(dates_next(&d, 0), 5);
	assert_int_equal(dates_next(&d, 6), 9);
	assert_int_equal(dates_next(&d, 10), DATES_DAY_MAX + 1);
	assert_int_equal(dates_of(&d, 5, 0, got, 4), 2);
	assert_int_equal(dates_of(&d, 5, 1, got, 4), 1);
	assert_int_equal(got[0].seq, 7);
	assert_int_equal(dates_find(&d, 9, 12), 3);
	assert_int_equal(dates_find(&d, 5, 12), 0);
	dates_deinit(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_days_in_utc),
		cmocka_unit_test(clamps_what_no_calendar_holds),
		cmocka_unit_test(reads_days_back_exactly),
		cmocka_unit_test(names_a_fragment_by_time_and_hash),
		cmocka_unit_test(finds_by_day_and_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
