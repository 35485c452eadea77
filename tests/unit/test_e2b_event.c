/* envd's events, ends and errors as values: what is zero is missing, and signals come in words. */
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
#include "provider/e2b_event.h"
#include "provider/provider.h"

static int read_event(const char *text, struct e2b_event *e, struct buf *out)
{
	buf_clear(out);
	return e2b_event_read(text, strlen(text), e, out);
}

static void reads_starts_data_and_what_is_newer(void **state)
{
	CLEANUP(buf_deinit) struct buf out = {0};
	struct e2b_event e;

	buf_init(&out, 100);
	assert_int_equal(read_event("{\"event\":{\"start\":{\"pid\":531}}}", &e, &out), 0);
	assert_int_equal(e.kind, E2B_EVENT_START);
	assert_int_equal(e.pid, 531);
	assert_int_equal(read_event("{\"event\":{\"data\":{\"stdout\":\"/wBh\"}}}", &e, &out),
			 0);
	assert_int_equal(e.kind, E2B_EVENT_DATA);
	assert_int_equal(e.fd, 1);
	assert_int_equal(out.len, 3);
	assert_memory_equal(out.data, "\xff\0a", 3);
	assert_int_equal(read_event("{\"event\":{\"data\":{\"stderr\":\"\"}}}", &e, &out), 0);
	assert_int_equal(e.fd, 2);
	assert_int_equal(read_event("{\"event\":{\"keepalive\":{}}}", &e, &out), 0);
	assert_int_equal(e.kind, E2B_EVENT_OTHER);
	assert_int_equal(read_event("{\"event\":{\"brandNew\":{\"a\":[1]}},\"x\":2}", &e, &out),
			 0);
	assert_int_equal(e.kind, E2B_EVENT_OTHER);
	assert_int_equal(read_event("{}", &e, &out), 0);
}

static void reads_how_a_process_ended(void **state)
{
	static const struct {
		const char *end;
		int status;
	} rows[] = {
		{"{\"exited\":true, \"status\":\"exit status 0\"}", 0},
		{"{\"exitCode\":3,\"exited\":true,\"status\":\"exit status "
		 "3\",\"error\":\"x\"}",
		 3},
		{"{\"exitCode\":127,\"exited\":true}", 127},
		{"{\"exitCode\":-1,\"status\":\"signal: killed\",\"error\":\"signal: killed\"}",
		 137},
		{"{\"exitCode\":-1,\"status\":\"signal: terminated\"}", 143},
		{"{\"exitCode\":-1,\"status\":\"signal: segmentation fault (core dumped)\"}",
		 139},
		{"{\"exitCode\":-1,\"status\":\"signal: signal 63\"}", 255},
		{"{}", 255},
	};
	CLEANUP(buf_deinit) struct buf out = {0};

	buf_init(&out, 100);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[300];
		struct e2b_event e;

		(void)snprintf(text, sizeof(text), "{\"event\":{\"end\":%s}}", rows[i].end);
		assert_int_equal(read_event(text, &e, &out), 0);
		assert_int_equal(e.kind, E2B_EVENT_END);
		assert_int_equal(e.status, rows[i].status);
	}
}

static void refuses_what_is_no_event(void **state)
{
	static const char *const rows[] = {
		"",
		"[]",
		"1",
		"{\"event\":[]}",
		"{\"event\":{\"start\":{}}}",
		"{\"event\":{\"start\":{\"pid\":-1}}}",
		"{\"event\":{\"start\":{\"pid\":99999999999}}}",
		"{\"event\":{\"data\":{\"stdout\":\"?\"}}}",
		"{\"event\":{\"data\":{\"stdout\":7}}}",
		"{\"event\":{\"end\":{\"exitCode\":\"x\",\"exited\":true}}}"};
	CLEANUP(buf_deinit) struct buf out = {0};
	struct e2b_event e;

	buf_init(&out, 100);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(read_event(rows[i], &e, &out), -EPROTO);
}

static void tells_the_two_shapes_of_errors_apart(void **state)
{
	static const struct {
		const char *text;
		int outcome;
		const char *message;
	} rows[] = {
		{"{\"code\":\"not_found\",\"message\":\"process with pid 1 not found\"}",
		 PROVIDER_REFUSED, "process with pid 1 not found"},
		{"{\"code\":\"unauthenticated\",\"message\":\"x\"}", PROVIDER_DENIED, "x"},
		{"{\"code\":\"resource_exhausted\"}", PROVIDER_THROTTLED, ""},
		{"{\"code\":\"unavailable\",\"message\":\"a\\nb\\u001b[1m\"}", PROVIDER_BUSY,
		 "a?b?[1m"},
		{"{\"code\":\"unimplemented\"}", PROVIDER_UNSUPPORTED, ""},
		{"{\"code\":\"deadline_exceeded\"}", -ETIMEDOUT, ""},
		{"{\"code\":502,\"message\":\"The sandbox was not found\",\"sandboxId\":\"i\"}",
		 PROVIDER_OFFLINE, "The sandbox was not found"},
		{"{\"code\":401,\"message\":\"no\"}\n", PROVIDER_DENIED, "no"},
		{"{\"code\":507,\"message\":\"full\"}", PROVIDER_REFUSED, "full"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct e2b_error err;

		assert_true(e2b_error_read(rows[i].text, strlen(rows[i].text), &err));
		assert_int_equal(e2b_error_outcome(&err), rows[i].outcome);
		assert_string_equal(err.message, rows[i].message);
	}
}

static void knows_what_is_no_error(void **state)
{
	static const char *const rows[] = {"", "<html>502</html>", "[]", "{\"message\":\"x\"}",
					   "{\"code\":null}"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct e2b_error err;

		assert_false(e2b_error_read(rows[i], strlen(rows[i]), &err));
	}
}

static void reads_the_end_of_a_stream(void **state)
{
	static const char bad[] = "{\"error\":{\"code\":\"invalid_argument\",\"message\":\"cwd "
				  "'/nope' does not exist\"}}";
	struct e2b_error err;
	bool failed;

	assert_int_equal(e2b_end_read("{}", 2, &failed, &err), 0);
	assert_false(failed);
	assert_int_equal(e2b_end_read(bad, strlen(bad), &failed, &err), 0);
	assert_true(failed);
	assert_string_equal(err.code, "invalid_argument");
	assert_string_equal(err.message, "cwd '/nope' does not exist");
	assert_int_equal(e2b_end_read("{\"error\":{}}", 12, &failed, &err), -EPROTO);
	assert_int_equal(e2b_end_read("", 0, &failed, &err), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_starts_data_and_what_is_newer),
		cmocka_unit_test(reads_how_a_process_ended),
		cmocka_unit_test(refuses_what_is_no_event),
		cmocka_unit_test(tells_the_two_shapes_of_errors_apart),
		cmocka_unit_test(knows_what_is_no_error),
		cmocka_unit_test(reads_the_end_of_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
