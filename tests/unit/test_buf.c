/* Buffers: the ceiling holds, contents survive refusals, and readers distrust. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void a_fresh_buffer_is_an_empty_string(void **state)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 0);
	assert_string_equal(b.data, "");
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_add(&b, "", 0), 0);
	assert_int_equal(buf_add(&b, "x", 1), -E2BIG);
}

static void grows_to_its_ceiling_and_no_further(void **state)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_add(&b, &"0123456789"[i % 10], 1), 0);
	assert_int_equal(buf_add(&b, "x", 1), -E2BIG);
	assert_int_equal(b.len, 1000);
	assert_memory_equal(b.data, "01234567890123", 14);
	assert_int_equal(b.data[999], '9');
	assert_int_equal(b.data[1000], '\0');
}

static void a_refused_addition_leaves_what_was_there(void **state)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 8);
	assert_int_equal(buf_str(&b, "abcdef"), 0);
	assert_int_equal(buf_str(&b, "ghi"), -E2BIG);
	assert_int_equal(buf_fmt(&b, "%03d", 7), -E2BIG);
	assert_int_equal(buf_u32(&b, 7), -E2BIG);
	assert_string_equal(b.data, "abcdef");
	assert_int_equal(buf_fmt(&b, "%02d", 7), 0);
	assert_string_equal(b.data, "abcdef07");
}

static void a_length_that_would_overflow_is_too_big(void **state)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, SIZE_MAX);
	assert_int_equal(buf_str(&b, "abc"), 0);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -E2BIG);
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 2), -E2BIG);
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 3), -ENOMEM);
	assert_string_equal(b.data, "abc");
}

static void clearing_keeps_the_ceiling(void **state)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 4);
	buf_clear(&b);
	assert_int_equal(buf_str(&b, "abcd"), 0);
	buf_clear(&b);
	assert_string_equal(b.data, "");
	assert_int_equal(buf_str(&b, "abcde"), -E2BIG);
	assert_int_equal(buf_str(&b, "efgh"), 0);
	assert_string_equal(b.data, "efgh");
}

static void taking_hands_the_bytes_over(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	char *s;

	buf_init(&b, 16);
	s = buf_take(&b);
	assert_string_equal(s, "");
	free(s);
	assert_int_equal(buf_str(&b, "mine"), 0);
	s = buf_take(&b);
	assert_string_equal(s, "mine");
	free(s);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_str(&b, "again"), 0);
	assert_string_equal(b.data, "again");
}

static void integers_are_little_endian(void **state)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 64);
	assert_int_equal(buf_u8(&b, 0x01), 0);
	assert_int_equal(buf_u16(&b, 0x0203), 0);
	assert_int_equal(buf_u32(&b, 0x04050607), 0);
	assert_int_equal(buf_u64(&b, 0x08090a0b0c0d0e0fULL), 0);
	assert_int_equal(b.len, 15);
	assert_memory_equal(b.data,
			    "\x01\x03\x02\x07\x06\x05\x04\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08", 15);
}

static void a_reader_gives_back_what_was_written(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	struct reader r;

	buf_init(&b, 64);
	assert_int_equal(buf_u64(&b, UINT64_MAX) | buf_u16(&b, 65535) | buf_str(&b, "tail"), 0);
	reader_init(&r, b.data, b.len);
	assert_true(reader_u64(&r) == UINT64_MAX);
	assert_int_equal(reader_u16(&r), 65535);
	assert_int_equal(reader_left(&r), 4);
	assert_memory_equal(reader_bytes(&r, 4), "tail", 4);
	assert_int_equal(reader_left(&r), 0);
	assert_int_equal(r.bad, 0);
}

static void a_short_record_reads_as_zeros_and_is_bad_for_good(void **state)
{
	struct reader r;

	reader_init(&r, "\xff\xff\xff", 3);
	assert_int_equal(reader_u32(&r), 0);
	assert_true(r.bad);
	assert_int_equal(reader_u8(&r), 0);
	assert_null(reader_bytes(&r, 1));
	reader_init(&r, "", 0);
	assert_null(reader_bytes(&r, SIZE_MAX));
	assert_true(r.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fresh_buffer_is_an_empty_string),
		cmocka_unit_test(grows_to_its_ceiling_and_no_further),
		cmocka_unit_test(a_refused_addition_leaves_what_was_there),
		cmocka_unit_test(a_length_that_would_overflow_is_too_big),
		cmocka_unit_test(clearing_keeps_the_ceiling),
		cmocka_unit_test(taking_hands_the_bytes_over),
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(a_reader_gives_back_what_was_written),
		cmocka_unit_test(a_short_record_reads_as_zeros_and_is_bad_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
