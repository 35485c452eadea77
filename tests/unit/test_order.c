/* tests/unit/test_order.c - listings that survive changes between their pieces. */
#include "fs/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { NAMES = 1000 };

/* The names first, first + step, … */
static struct order *names(size_t first, size_t step)
{
	struct order *o = order_new(1);
	char text[32];

	for (size_t i = first; i < NAMES; i += step) {
		snprintf(text, sizeof(text), "name-%zu", i);
		order_add(o, text, i);
	}
	order_sort(o);
	return o;
}

static void shows_every_name_once(void **state)
{
	struct order *o = names(0, 1);
	bool seen[NAMES] = {false};
	uint64_t cookie = 0;
	size_t n = 0;

	for (size_t i = order_after(o, cookie); i < o->n; i = order_after(o, cookie)) {
		assert_true(o->items[i].cookie > cookie);
		assert_false(seen[o->items[i].at]);
		seen[o->items[i].at] = true;
		cookie = o->items[i].cookie;
		n++;
	}
	assert_int_equal(n, NAMES);
	order_free(o);
}

static void goes_on_rightly_after_half_was_deleted(void **state)
{
	struct order *all = names(0, 1), *even = names(0, 2);
	uint64_t cookie = all->items[NAMES / 2].cookie;
	size_t n = 0;

	/* Every even name is met exactly once: before the deletion or after it. */
	for (size_t i = 0; i <= NAMES / 2; i++)
		n += all->items[i].at % 2 == 0;
	for (size_t i = order_after(even, cookie); i < even->n; i++)
		n++;
	assert_int_equal(n, NAMES / 2);
	order_free(all);
	order_free(even);
}

static void ends_after_the_last(void **state)
{
	struct order *o = names(0, 1), *none = order_new(0);

	assert_int_equal(order_after(o, o->items[NAMES - 1].cookie), NAMES);
	assert_int_equal(order_after(o, UINT64_MAX), NAMES);
	assert_int_equal(order_after(none, 0), 0);
	order_free(o);
	order_free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_every_name_once),
		cmocka_unit_test(goes_on_rightly_after_half_was_deleted),
		cmocka_unit_test(ends_after_the_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
