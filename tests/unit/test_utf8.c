/* UTF-8: exactly the well-formed sequences pass, and nothing that steers a terminal is shown. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/utf8.h"

static size_t encode(uint32_t c, char s[4])
{
	if (c < 0x80) {
		s[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		s[0] = (char)(0xc0 | c >> 6);
		s[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		s[0] = (char)(0xe0 | c >> 12);
		s[1] = (char)(0x80 | (c >> 6 & 0x3f));
		s[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	s[0] = (char)(0xf0 | c >> 18);
	s[1] = (char)(0x80 | (c >> 12 & 0x3f));
	s[2] = (char)(0x80 | (c >> 6 & 0x3f));
	s[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static void every_code_point_passes_and_surrogates_do_not(void **state)
{
	for (uint32_t c = 0; c < 0x10ffff + 1000; c++) {
		char s[4];
		size_t len = encode(c, s);
		size_t want = (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff ? 0 : len;

		if (utf8_step(s, len) != want)
			fail_msg("U+%04X: %zu", c, utf8_step(s, len));
		if (len > 1)
			assert_int_equal(utf8_step(s, len - 1), 0);
	}
}

static void refuses_overlong_and_broken_sequences(void **state)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf8\x88\x80\x80",
		"\xfe",
		"\xff",
		"\xc3(",
		"\xe2\x28\xa1",
		"\xe2\x82(",
		"\xf0\x9f\x98(",
		"a\xc3",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("a\0b", 3));
	assert_int_equal(utf8_step("", 0), 0);
}

static void assert_shown(const char *s, size_t len, const char *want)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 1000);
	assert_int_equal(utf8_printable(&b, s, len), 0);
	assert_string_equal(b.data, want);
}

static void ordinary_text_is_shown_as_it_is(void **state)
{
	static const char text[] =
		"na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80 C:\\new";

	assert_shown(text, strlen(text), text);
	assert_shown("", 0, "");
}

static void what_steers_a_terminal_or_a_line_is_spelt_out(void **state)
{
	assert_shown("a\nb\tc\r", 6, "a\\x0ab\\x09c\\x0d");
	assert_shown("\x1b[31m", 5, "\\x1b[31m");
	assert_shown("\0", 1, "\\x00");
	assert_shown("\x7f", 1, "\\x7f");
	assert_shown("\xc2\x9b"
		     "31m",
		     5, "\\xc2\\x9b31m");
	assert_shown("\xff\xfe", 2, "\\xff\\xfe");
}

static void what_reverses_or_hides_text_is_spelt_out(void **state)
{
	static const uint32_t hidden[] = {0x061c, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f,
					  0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069};

	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++) {
		CLEANUP(buf_deinit) struct buf b;
		char s[4];
		size_t len = encode(hidden[i], s);

		buf_init(&b, 100);
		assert_int_equal(utf8_printable(&b, s, len), 0);
		assert_int_equal(b.len, 4 * len);
		assert_memory_equal(b.data, "\\x", 2);
	}
}

static void a_ceiling_is_reported(void **state)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 5);
	assert_int_equal(utf8_printable(&b, "\x01\x02", 2), -E2BIG);
	assert_string_equal(b.data, "\\x01");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point_passes_and_surrogates_do_not),
		cmocka_unit_test(refuses_overlong_and_broken_sequences),
		cmocka_unit_test(ordinary_text_is_shown_as_it_is),
		cmocka_unit_test(what_steers_a_terminal_or_a_line_is_spelt_out),
		cmocka_unit_test(what_reverses_or_hides_text_is_spelt_out),
		cmocka_unit_test(a_ceiling_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
