/* A stranger's JSON, field by field: fallbacks, types, and the name of the first flaw. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "provider/json_reply.h"

static void open_text(struct json_reply *j, const char *text)
{
	json_reply_open(j, text, strlen(text));
}

static void reads_fields_and_yields_fallbacks(void **state)
{
	struct json_reply j;
	char id[8], gone[8];

	open_text(&j,
		  "{\"id\":\"i1\",\"n\":7,\"s\":\"9007199254740993\",\"ok\":true,\"null\":null,"
		  "\"at\":\"2026-11-23T06:31:00.123456789Z\",\"o\":{\"x\":1.5},\"l\":[1]}");
	json_reply_text(&j, j.root, "id", id, sizeof(id));
	json_reply_maybe(&j, j.root, "null", gone, sizeof(gone));
	assert_string_equal(id, "i1");
	assert_string_equal(gone, "");
	assert_int_equal(json_reply_int(&j, j.root, "n", 0), 7);
	assert_true(json_reply_int(&j, j.root, "s", 0) == 9007199254740993);
	assert_int_equal(json_reply_int(&j, j.root, "missing", -3), -3);
	assert_true(json_reply_bool(&j, j.root, "ok", false));
	assert_true(json_reply_bool(&j, j.root, "null", true));
	assert_true(json_reply_number(&j, json_reply_obj(&j, j.root, "o"), "x", 0) > 1.4);
	assert_int_equal(json_count(json_reply_list(&j, j.root, "l")), 1);
	assert_int_equal(json_reply_time(&j, j.root, "at", 0), 1795415460);
	assert_string_equal(json_reply_str(&j, NULL, "x", "none"), "none");
	assert_int_equal(json_reply_fault(&j, "test"), 0);
	json_reply_close(&j);
}

static void names_the_first_flaw(void **state)
{
	struct json_reply j;
	char id[4];

	open_text(&j, "{\"id\":\"with space\",\"n\":\"x\"}");
	json_reply_text(&j, j.root, "id", id, sizeof(id));
	assert_int_equal(json_reply_int(&j, j.root, "n", 5), 5);
	assert_string_equal(id, "");
	assert_string_equal(j.why, "'id' holds bytes it may not");
	assert_int_equal(json_reply_fault(&j, "test"), -EPROTO);
	json_reply_close(&j);

	open_text(&j, "{\"id\":\"toolong\"}");
	json_reply_text(&j, j.root, "id", id, sizeof(id));
	assert_string_equal(j.why, "'id' is too long");
	json_reply_close(&j);

	open_text(&j, "{}");
	json_reply_text(&j, j.root, "id", id, sizeof(id));
	assert_string_equal(j.why, "'id' is missing");
	json_reply_close(&j);
}

static void refuses_wrong_types(void **state)
{
	struct json_reply j;

	open_text(&j, "{\"a\":{},\"b\":[],\"c\":3}");
	assert_null(json_reply_obj(&j, j.root, "b"));
	assert_string_equal(j.why, "'b' is no object");
	json_reply_close(&j);
	open_text(&j, "{\"a\":{}}");
	assert_null(json_reply_list(&j, j.root, "a"));
	assert_string_equal(j.why, "'a' is no list");
	json_reply_close(&j);
	open_text(&j, "{\"a\":\"99999999999999999999\"}");
	assert_int_equal(json_reply_int(&j, j.root, "a", 0), 0);
	assert_string_equal(j.why, "'a' is no whole number");
	json_reply_close(&j);
	open_text(&j, "[1]");
	assert_int_equal(json_reply_int(&j, j.root, "a", 4), 4);
	json_reply_close(&j);
}

static void refuses_bombs_before_reading_them(void **state)
{
	size_t len = JSON_REPLY_MAX + 1UL;
	char *big = malloc(len);
	struct json_reply j;

	assert_non_null(big);
	memset(big, '[', len);
	json_reply_open(&j, big, len);
	assert_null(j.root);
	assert_non_null(strstr(j.why, "larger"));
	json_reply_open(&j, big, 100000);
	assert_null(j.root);
	assert_true(j.why[0]);
	json_reply_open(&j, "", 0);
	assert_int_equal(json_reply_fault(&j, "test"), -EPROTO);
	json_reply_close(&j);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_fields_and_yields_fallbacks),
		cmocka_unit_test(names_the_first_flaw),
		cmocka_unit_test(refuses_wrong_types),
		cmocka_unit_test(refuses_bombs_before_reading_them),
	};

	log_open(-1, LOG_LEVEL_ERR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
