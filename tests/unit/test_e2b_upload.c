/* Names of uploaded files: percent-encoded so that every byte survives, and compared when the answer comes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "provider/e2b_upload.h"

static void encodes_every_byte_but_the_plain_ones(void **state)
{
	CLEANUP(buf_deinit) struct buf b = {0};

	buf_init(&b, 1000);
	assert_int_equal(e2b_percent(&b, "/a-b._~Z9 \"%+&=\\\r\n\xff\xc3\xbc"), 0);
	assert_string_equal(b.data, "%2Fa-b._~Z9%20%22%25%2B%26%3D%5C%0D%0A%FF%C3%BC");
}

static void names_a_part_by_the_extended_form(void **state)
{
	CLEANUP(buf_deinit) struct buf b = {0};

	buf_init(&b, 1000);
	assert_int_equal(e2b_part_head(&b, "XX", "/h/b\"q/\xc3\xbc"), 0);
	assert_int_equal(buf_str(&b, "data"), 0);
	assert_int_equal(e2b_part_tail(&b, "XX"), 0);
	assert_string_equal(b.data,
			    "--XX\r\nContent-Disposition: form-data; name=\"file\"; "
			    "filename*=utf-8''%2Fh%2Fb%22q%2F%C3%BC\r\n"
			    "Content-Type: application/octet-stream\r\n\r\ndata\r\n--XX--\r\n");
}

static void makes_boundaries_that_differ(void **state)
{
	char a[E2B_BOUNDARY_LEN + 1], b[E2B_BOUNDARY_LEN + 1];

	e2b_boundary(a);
	e2b_boundary(b);
	assert_int_equal(strspn(a, "0123456789abcdef"), E2B_BOUNDARY_LEN);
	assert_string_not_equal(a, b);
}

static void accepts_only_the_path_that_was_asked(void **state)
{
	static const struct {
		const char *reply, *path;
		int result;
	} rows[] = {
		{"[{\"name\":\"a\",\"path\":\"/h/a\",\"type\":\"file\"}]", "/h/a", 0},
		{"[{\"path\":\"/h/b%22q\"}]", "/h/b\"q", -EPROTO},
		{"[{\"path\":\"/h/\xef\xbf\xbdraw\"}]", "/h/\xffraw", 0},
		{"[{\"path\":\"/h/\xef\xbf\xbdraw\"}]", "/h/araw", -EPROTO},
		{"[]", "/h/a", -EPROTO}, /* the part was dropped without a word */
		{"[{\"path\":\"/h/a\"},{\"path\":\"/h/a\"}]", "/h/a", -EPROTO},
		{"[{\"path\":\"/h/ab\"}]", "/h/a", -EPROTO},
		{"{}", "/h/a", -EPROTO},
		{"<html>", "/h/a", -EPROTO},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(
			e2b_upload_check(rows[i].reply, strlen(rows[i].reply), rows[i].path),
			rows[i].result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_every_byte_but_the_plain_ones),
		cmocka_unit_test(names_a_part_by_the_extended_form),
		cmocka_unit_test(makes_boundaries_that_differ),
		cmocka_unit_test(accepts_only_the_path_that_was_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
