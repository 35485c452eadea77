/* Bytes in letters and back, and which letters are no bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/buf.h"

static void writes_and_reads_the_rfcs_examples(void **state)
{
	static const char *const rows[][2] = {{"", ""},
					      {"f", "Zg=="},
					      {"fo", "Zm8="},
					      {"foo", "Zm9v"},
					      {"foob", "Zm9vYg=="},
					      {"fooba", "Zm9vYmE="},
					      {"foobar", "Zm9vYmFy"},
					      {"user\n", "dXNlcgo="}};
	CLEANUP(buf_deinit) struct buf b = {0};

	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		buf_clear(&b);
		assert_int_equal(base64_put(&b, rows[i][0], strlen(rows[i][0])), 0);
		assert_string_equal(b.data, rows[i][1]);
		buf_clear(&b);
		assert_int_equal(base64_get(&b, rows[i][1], strlen(rows[i][1])), 0);
		assert_string_equal(b.data, rows[i][0]);
	}
}

static void takes_the_other_alphabet_and_no_padding(void **state)
{
	CLEANUP(buf_deinit) struct buf b = {0};

	buf_init(&b, 100);
	assert_int_equal(base64_get(&b, "-_8", 3), 0);
	assert_int_equal(base64_get(&b, "+/8=", 4), 0);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "\xfb\xff\xfb\xff", 4);
}

static void refuses_what_is_no_base64(void **state)
{
	static const char *const rows[] = {
		"A", "AA=", "A===", "AAAAA", "AB==", "A A=", "AA==AA==", "=", "AAA*", "AAAA="};
	CLEANUP(buf_deinit) struct buf b = {0};

	buf_init(&b, 100);
	assert_int_equal(buf_str(&b, "kept"), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(base64_get(&b, rows[i], strlen(rows[i])), -EINVAL);
		assert_string_equal(b.data, "kept");
	}
}

static void keeps_every_byte_of_any_length(void **state)
{
	CLEANUP(buf_deinit) struct buf text = {0};
	CLEANUP(buf_deinit) struct buf back = {0};
	unsigned char bytes[300];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7 + i / 5);
	buf_init(&text, 1000);
	buf_init(&back, 1000);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		buf_clear(&text);
		buf_clear(&back);
		assert_int_equal(base64_put(&text, bytes, n), 0);
		assert_int_equal(text.len, (n + 2) / 3 * 4);
		assert_int_equal(base64_get(&back, text.data, text.len), 0);
		assert_int_equal(back.len, n);
		assert_memory_equal(back.data, bytes, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_and_reads_the_rfcs_examples),
		cmocka_unit_test(takes_the_other_alphabet_and_no_padding),
		cmocka_unit_test(refuses_what_is_no_base64),
		cmocka_unit_test(keeps_every_byte_of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
