/* Frames of a Connect stream, cut at every byte, and what is no such stream. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "provider/connect_frame.h"

/* A reply as envd sends it: start, keepalive, end, end of stream. */
static const char reply[] = "\0\0\0\0\x1f{\"event\":{\"start\":{\"pid\":531}}}"
			    "\0\0\0\0\x1a{\"event\":{\"keepalive\":{}}}"
			    "\x02\0\0\0\x02{}";

static void expect(struct connect_reader *r, const char *text, bool end)
{
	struct connect_frame f;

	assert_int_equal(connect_reader_next(r, &f), 0);
	assert_int_equal(f.len, strlen(text));
	assert_memory_equal(f.data, text, f.len);
	assert_int_equal(f.end, end);
}

static void cuts_frames_wherever_the_bytes_are_split(void **state)
{
	for (size_t cut = 0; cut < sizeof(reply); cut++) {
		struct connect_reader r;
		struct connect_frame f;

		connect_reader_init(&r);
		assert_int_equal(connect_reader_feed(&r, reply, cut), 0);
		for (int n = 0; connect_reader_next(&r, &f) == 0; n++)
			assert_in_range(n, 0, 2);
		assert_int_equal(r.ended, cut == sizeof(reply) - 1);
		connect_reader_deinit(&r);

		connect_reader_init(&r);
		assert_int_equal(connect_reader_feed(&r, reply, cut), 0);
		assert_int_equal(connect_reader_feed(&r, reply + cut, sizeof(reply) - 1 - cut),
				 0);
		expect(&r, "{\"event\":{\"start\":{\"pid\":531}}}", false);
		expect(&r, "{\"event\":{\"keepalive\":{}}}", false);
		expect(&r, "{}", true);
		assert_int_equal(connect_reader_next(&r, &f), CONNECT_MORE);
		assert_true(r.ended);
		connect_reader_deinit(&r);
	}
}

static void refuses_what_is_no_stream(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} rows[] = {
		{"\x01\0\0\0\x02{}", 7},   /* compressed, which was not offered */
		{"<html>", 6},             /* a web page */
		{"\0\0\x10\0\0", 5},       /* 1 MiB is fine, but see below */
		{"\0\xff\xff\xff\xff", 5}, /* 4 GiB */
		{"\x02\0\0\0\x02{}\0", 8}, /* something after the end */
		{"\x03\0\0\0\x02{}", 7},   /* a compressed end */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct connect_reader r;
		struct connect_frame f;
		int result;

		connect_reader_init(&r);
		assert_int_equal(connect_reader_feed(&r, rows[i].data, rows[i].len), 0);
		while ((result = connect_reader_next(&r, &f)) == 0)
			;
		assert_int_equal(result, i == 2 ? CONNECT_MORE : CONNECT_BAD);
		connect_reader_deinit(&r);
	}
}

static void writes_what_it_reads(void **state)
{
	CLEANUP(buf_deinit) struct buf b = {0};
	struct connect_reader r;

	buf_init(&b, CONNECT_FRAME_MAX + 100);
	assert_int_equal(connect_frame_put(&b, "{\"process\":{\"pid\":531}}", 23, false), 0);
	assert_memory_equal(b.data, "\0\0\0\0\x17{", 6);
	assert_int_equal(connect_frame_put(&b, "{}", 2, true), 0);
	assert_int_equal(connect_frame_put(&b, b.data, CONNECT_FRAME_MAX + 1UL, false), -E2BIG);
	connect_reader_init(&r);
	assert_int_equal(connect_reader_feed(&r, b.data, b.len), 0);
	expect(&r, "{\"process\":{\"pid\":531}}", false);
	expect(&r, "{}", true);
	connect_reader_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_frames_wherever_the_bytes_are_split),
		cmocka_unit_test(refuses_what_is_no_stream),
		cmocka_unit_test(writes_what_it_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
