/* The id table: what was added is found, also among ids made to collide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/oidmap.h"

static struct oid numbered(uint64_t n)
{
	struct oid oid = {{0}};
	uint64_t mixed = n * 0x9e3779b97f4a7c15ULL;

	memcpy(oid.id, &mixed, sizeof(mixed));
	memcpy(oid.id + 8, &n, sizeof(n));
	return oid;
}

static void finds_every_one_of_many(void **state)
{
	CLEANUP(oidmap_deinit) struct oidmap m;

	oidmap_init(&m);
	for (uint64_t i = 0; i < 50000; i++) {
		struct oid oid = numbered(i);

		assert_true(oidmap_add(&m, &oid, i * 3));
	}
	for (uint64_t i = 0; i < 50000; i++) {
		struct oid oid = numbered(i), other = numbered(i + 50000);

		assert_non_null(oidmap_find(&m, &oid));
		assert_true(*oidmap_find(&m, &oid) == i * 3);
		assert_null(oidmap_find(&m, &other));
	}
	assert_int_equal(m.n, 50000);
}

static void an_empty_table_finds_nothing(void **state)
{
	CLEANUP(oidmap_deinit) struct oidmap m;
	struct oid oid = {{0}};
	uint64_t value;
	size_t at = 0;

	oidmap_init(&m);
	assert_null(oidmap_find(&m, &oid));
	assert_false(oidmap_next(&m, &at, &oid, &value));
}

static void the_all_zero_id_is_an_id(void **state)
{
	CLEANUP(oidmap_deinit) struct oidmap m;
	struct oid zero = {{0}}, one = {{[19] = 1}};

	oidmap_init(&m);
	assert_true(oidmap_add(&m, &one, 1));
	assert_null(oidmap_find(&m, &zero));
	assert_true(oidmap_add(&m, &zero, 7));
	assert_true(*oidmap_find(&m, &zero) == 7);
}

static void a_second_add_keeps_the_first_value(void **state)
{
	CLEANUP(oidmap_deinit) struct oidmap m;
	struct oid oid = numbered(5);

	oidmap_init(&m);
	assert_true(oidmap_add(&m, &oid, 1));
	assert_false(oidmap_add(&m, &oid, 2));
	assert_true(*oidmap_find(&m, &oid) == 1);
	*oidmap_find(&m, &oid) = 9;
	assert_true(*oidmap_find(&m, &oid) == 9);
	assert_int_equal(m.n, 1);
}

static void ids_that_share_their_start_are_told_apart(void **state)
{
	CLEANUP(oidmap_deinit) struct oidmap m;

	oidmap_init(&m);
	for (uint32_t i = 0; i < 3000; i++) {
		struct oid oid = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

		memcpy(oid.id + 16, &i, sizeof(i));
		assert_true(oidmap_add(&m, &oid, i));
	}
	for (uint32_t i = 0; i < 3000; i++) {
		struct oid oid = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

		memcpy(oid.id + 16, &i, sizeof(i));
		assert_true(*oidmap_find(&m, &oid) == i);
	}
}

static void iterating_meets_each_once(void **state)
{
	CLEANUP(oidmap_deinit) struct oidmap m;
	uint64_t value, sum = 0;
	struct oid oid;
	size_t at = 0, n = 0;

	oidmap_init(&m);
	for (uint64_t i = 1; i <= 2000; i++) {
		struct oid o = numbered(i);

		(void)oidmap_add(&m, &o, i);
	}
	while (oidmap_next(&m, &at, &oid, &value)) {
		struct oid want = numbered(value);

		assert_true(oid_eq(&oid, &want));
		sum += value;
		n++;
	}
	assert_int_equal(n, 2000);
	assert_int_equal(sum, 2000 * 2001 / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_every_one_of_many),
		cmocka_unit_test(an_empty_table_finds_nothing),
		cmocka_unit_test(the_all_zero_id_is_an_id),
		cmocka_unit_test(a_second_add_keeps_the_first_value),
		cmocka_unit_test(ids_that_share_their_start_are_told_apart),
		cmocka_unit_test(iterating_meets_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
