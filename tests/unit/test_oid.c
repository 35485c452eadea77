/* Object ids as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/oid.h"

static const char text[] = "0123456789abcdef0123456789ABCDEFfedcba98";

static void reads_either_case_and_writes_lower(void **state)
{
	char hex[OID_HEX_LEN + 1];
	struct oid oid;

	assert_true(oid_parse(text, 40, &oid));
	assert_memory_equal(oid.id, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
	assert_string_equal(oid_hex(&oid, hex), "0123456789abcdef0123456789abcdeffedcba98");
}

static void refuses_anything_but_forty_digits(void **state)
{
	struct oid oid, before;

	memset(&oid, 7, sizeof(oid));
	before = oid;
	assert_false(oid_parse(text, 39, &oid));
	assert_false(oid_parse(text, 41, &oid));
	assert_false(oid_parse("", 0, &oid));
	assert_false(oid_parse("0123456789abcdef0123456789abcdeffedcba9g", 40, &oid));
	assert_false(oid_parse("0123456789abcdef0123456789abcdeffedcba9 ", 40, &oid));
	assert_false(oid_parse("0x23456789abcdef0123456789abcdeffedcba98", 40, &oid));
	assert_false(oid_parse("0123456789abcdef0123456789abcdeffedcba\xc3\xa9", 40, &oid));
	assert_true(oid_eq(&oid, &before));
}

static void order_is_that_of_the_bytes(void **state)
{
	struct oid a = {{0}}, b = {{0}};

	assert_true(oid_is_zero(&a));
	assert_true(oid_eq(&a, &b));
	b.id[19] = 1;
	assert_false(oid_is_zero(&b));
	assert_true(oid_cmp(&a, &b) < 0);
	a.id[0] = 0x80;
	assert_true(oid_cmp(&a, &b) > 0);
	assert_int_equal(oid_cmp(&a, &a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_either_case_and_writes_lower),
		cmocka_unit_test(refuses_anything_but_forty_digits),
		cmocka_unit_test(order_is_that_of_the_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
