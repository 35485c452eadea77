/* JSON: hostile documents are refused with a reason, typed getters do not guess, and what is written
 * can be read. */
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
#include "base/json.h"

DEFINE_CLEANUP(struct json *, json_free)

static int parse(const char *text, struct json **ret, char why[128])
{
	why[0] = '\0';
	return json_parse(text, strlen(text), ret, why, 128);
}

static void assert_refused(const char *text, size_t len, const char *reason)
{
	struct json *root = NULL;
	char why[128] = "";

	assert_int_equal(json_parse(text, len, &root, why, sizeof(why)), JSON_BAD);
	assert_null(root);
	if (!strstr(why, reason))
		fail_msg("'%s' does not say '%s'", why, reason);
}

static void refuses_what_is_no_document(void **state)
{
	static const char *const bad[] = {
		"",    "{", "[1,]", "{\"a\":}", "nul", "\"open",    "{'a':1}", "[1 2]",
		"tru", "-", "}",    "{\"a\"}",  "\\",  "[\"\\x\"]", "\"\\u\"", "\"\\ud800\"",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_refused(bad[i], strlen(bad[i]), "not JSON at byte");
}

static void refuses_a_second_document(void **state)
{
	assert_refused("{} {}", 5, "something follows the document at byte 3");
	assert_refused("1,", 2, "something follows");
	assert_refused("[]]", 3, "something follows");
}

static void refuses_nul_bytes_and_escaped_nuls(void **state)
{
	assert_refused("[1]\0", 4, "NUL byte");
	assert_refused("[\"a\\u0000b\"]", 12, "a string holds a NUL");
	assert_refused("{\"a\\u0000\":1}", 13, "a string holds a NUL");
}

static void an_escaped_backslash_before_u0000_is_no_nul(void **state)
{
	CLEANUP(json_freep) struct json *root = NULL;
	char why[128];

	assert_int_equal(parse("\"\\\\u0000\"", &root, why), 0);
	assert_string_equal(json_str(root), "\\u0000");
}

static void refuses_invalid_utf8(void **state)
{
	static const char *const bad[] = {
		"\"\xff\"",     "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
		"\"\xe2\x82\"",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_refused(bad[i], strlen(bad[i]), "UTF-8");
}

static void depth_has_a_ceiling(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 4];
	struct json *root = NULL;
	char why[128];

	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	assert_int_equal(json_parse(text, sizeof(text) - 4, &root, why, sizeof(why)), 0);
	json_free(root);
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	assert_refused(text, sizeof(text) - 2, "nested too deeply");
}

static void a_hundred_thousand_brackets_are_refused_before_any_recursion(void **state)
{
	char *text = malloc(100000);

	assert_non_null(text);
	memset(text, '[', 100000);
	assert_refused(text, 100000, "nested too deeply");
	memset(text, ']', 50000);
	assert_refused(text, 50000, "not JSON");
	free(text);
}

static void brackets_in_strings_do_not_count(void **state)
{
	CLEANUP(json_freep) struct json *root = NULL;
	char text[400], why[128];

	memset(text, '[', sizeof(text));
	text[0] = text[398] = '"';
	text[399] = '\0';
	assert_int_equal(parse(text, &root, why), 0);
	assert_int_equal(strlen(json_str(root)), 397);
}

static void getters_tell_absent_from_bad(void **state)
{
	CLEANUP(json_freep) struct json *root = NULL;
	const char *s = "untouched";
	int64_t n = -7;
	bool b = true;
	char why[128];

	assert_int_equal(
		parse("{\"s\":1,\"n\":\"1\",\"b\":0,\"nil\":null,\"S\":\"x\"}", &root, why), 0);
	assert_int_equal(json_get_str(root, "s", &s), JSON_BAD);
	assert_int_equal(json_get_str(root, "nil", &s), JSON_ABSENT);
	assert_int_equal(json_get_str(root, "none", &s), JSON_ABSENT);
	assert_int_equal(json_get_int(root, "n", &n), JSON_BAD);
	assert_int_equal(json_get_bool(root, "b", &b), JSON_BAD);
	assert_string_equal(s, "untouched");
	assert_int_equal(n, -7);
	assert_true(b);
	assert_int_equal(json_get_str(root, "S", &s), 0);
	assert_string_equal(s, "x");
}

static void getters_on_what_is_no_object_find_nothing(void **state)
{
	CLEANUP(json_freep) struct json *root = NULL;
	const char *s;
	char why[128];

	assert_int_equal(parse("[{\"a\":\"x\"},\"a\"]", &root, why), 0);
	assert_int_equal(json_get_str(root, "a", &s), JSON_ABSENT);
	assert_int_equal(json_get_str(json_next(json_first(root)), "a", &s), JSON_ABSENT);
	assert_int_equal(json_count(root), 2);
}

static void integers_are_exact_or_refused(void **state)
{
	CLEANUP(json_freep) struct json *root = NULL;
	char why[128];
	int64_t n = 0;

	assert_int_equal(
		parse("{\"max\":9007199254740992,\"min\":-9007199254740992,\"big\":1e300,"
		      "\"inf\":1e999,\"half\":0.5,\"e\":12e2}",
		      &root, why),
		0);
	assert_int_equal(json_get_int(root, "max", &n), 0);
	assert_true(n == 9007199254740992);
	assert_int_equal(json_get_int(root, "min", &n), 0);
	assert_true(n == -9007199254740992);
	assert_int_equal(json_get_int(root, "e", &n), 0);
	assert_int_equal(n, 1200);
	assert_int_equal(json_get_int(root, "big", &n), JSON_BAD);
	assert_int_equal(json_get_int(root, "inf", &n), JSON_BAD);
	assert_int_equal(json_get_int(root, "half", &n), JSON_BAD);
	assert_int_equal(n, 1200);
}

static void walks_objects_in_order_with_keys(void **state)
{
	CLEANUP(json_freep) struct json *root = NULL;
	const struct json *v;
	char why[128];

	assert_int_equal(parse(" {\"b/c\":\"1\",\"a\":[true,false]}\n", &root, why), 0);
	assert_true(json_is_object(root));
	v = json_first(root);
	assert_string_equal(json_key(v), "b/c");
	assert_string_equal(json_str(v), "1");
	v = json_next(v);
	assert_string_equal(json_key(v), "a");
	assert_true(json_is_array(v));
	assert_int_equal(json_count(v), 2);
	assert_null(json_next(v));
	assert_null(json_key(json_first(v)));
}

static void writes_commas_quotes_and_nesting(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	struct json_out o;

	buf_init(&b, 4096);
	json_out_buf(&o, &b);
	json_begin(&o, '{');
	json_str_field(&o, "na\"me", "a\\b\n\x1b\x7f");
	json_int_field(&o, "min", INT64_MIN);
	json_bool_field(&o, "yes", true);
	json_str_field(&o, "nothing", NULL);
	json_key_out(&o, "list");
	json_begin(&o, '[');
	json_put_int(&o, 1);
	json_begin(&o, '{');
	json_end(&o, '}');
	json_put_bool(&o, false);
	json_end(&o, ']');
	json_end(&o, '}');
	assert_int_equal(json_out_end(&o), 0);
	assert_string_equal(b.data,
			    "{\"na\\\"me\":\"a\\\\b\\u000a\\u001b\\u007f\","
			    "\"min\":-9223372036854775808,\"yes\":true,\"nothing\":null,"
			    "\"list\":[1,{},false]\n}\n");
}

static void bytes_that_are_no_utf8_become_replacement_characters(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	CLEANUP(json_freep) struct json *root = NULL;
	struct json_out o;
	char why[128];

	buf_init(&b, 4096);
	json_out_buf(&o, &b);
	json_put_strn(&o, "a\xff\xc3\xa9\xe2\x82", 6);
	assert_int_equal(json_out_end(&o), 0);
	assert_int_equal(json_parse(b.data, b.len, &root, why, sizeof(why)), 0);
	assert_string_equal(json_str(root), "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd");
}

static void a_full_buffer_is_reported_at_the_end(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	struct json_out o;

	buf_init(&b, 16);
	json_out_buf(&o, &b);
	json_begin(&o, '[');
	for (int i = 0; i < 100; i++)
		json_put_int(&o, i);
	json_end(&o, ']');
	assert_int_equal(json_out_end(&o), -E2BIG);
	assert_true(b.len <= 16);
}

static void a_full_disk_is_reported_at_the_end(void **state)
{
	FILE *full = fopen("/dev/full", "w");
	struct json_out o;

	assert_non_null(full);
	json_out_file(&o, full);
	json_put_str(&o, "x");
	assert_int_equal(json_out_end(&o), -ENOSPC);
	(void)fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_no_document),
		cmocka_unit_test(refuses_a_second_document),
		cmocka_unit_test(refuses_nul_bytes_and_escaped_nuls),
		cmocka_unit_test(an_escaped_backslash_before_u0000_is_no_nul),
		cmocka_unit_test(refuses_invalid_utf8),
		cmocka_unit_test(depth_has_a_ceiling),
		cmocka_unit_test(a_hundred_thousand_brackets_are_refused_before_any_recursion),
		cmocka_unit_test(brackets_in_strings_do_not_count),
		cmocka_unit_test(getters_tell_absent_from_bad),
		cmocka_unit_test(getters_on_what_is_no_object_find_nothing),
		cmocka_unit_test(integers_are_exact_or_refused),
		cmocka_unit_test(walks_objects_in_order_with_keys),
		cmocka_unit_test(writes_commas_quotes_and_nesting),
		cmocka_unit_test(bytes_that_are_no_utf8_become_replacement_characters),
		cmocka_unit_test(a_full_buffer_is_reported_at_the_end),
		cmocka_unit_test(a_full_disk_is_reported_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
