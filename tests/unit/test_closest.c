/* "Did you mean": near names are offered, nearest first, far ones never. */
#include "tools/closest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void check(const char *typed, const char *const *names, const char *want)
{
	struct closest c;
	struct buf b;

	buf_init(&b, 4096);
	closest_init(&c, typed);
	for (; *names; names++)
		closest_offer(&c, *names);
	closest_words(&c, &b);
	assert_string_equal(b.data, want);
	buf_deinit(&b);
}

#define CHECK(typed, want, ...) check(typed, (const char *const[]){__VA_ARGS__, NULL}, want)

static void offers_a_slip_of_the_finger(void **state)
{
	CHECK("chekcout", "'checkout'", "log", "checkout", "show");
	CHECK("lgo", "'log'", "log", "show");
}

static void puts_the_nearest_first_and_names_three_at_most(void **state)
{
	CHECK("shop", "'shop', 'stop' or 'shops'", "shop-2", "stop", "shops", "shop");
	CHECK("webshap", "'webshop' or 'webshops'", "webshops", "other", "webshop");
}

static void offers_what_begins_with_what_was_typed(void **state)
{
	CHECK("web", "'web-frontend-of-the-shop'", "web-frontend-of-the-shop", "api");
}

static void offers_nothing_far_away_and_nothing_for_nothing(void **state)
{
	CHECK("zebra", "", "log", "show", "project");
	CHECK("", "", "log");
}

static void ignores_names_too_long_to_be_meant(void **state)
{
	char name[CLOSEST_NAME_MAX + 50];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CHECK(name, "", name);
	CHECK("aaa", "", name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offers_a_slip_of_the_finger),
		cmocka_unit_test(puts_the_nearest_first_and_names_three_at_most),
		cmocka_unit_test(offers_what_begins_with_what_was_typed),
		cmocka_unit_test(offers_nothing_far_away_and_nothing_for_nothing),
		cmocka_unit_test(ignores_names_too_long_to_be_meant),
	};

	return cmocka_run_group_tests_name("closest", tests, NULL, NULL);
}
