/* What Daytona answers, in every shape the servers of two years give it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "provider/daytona_reply.h"

static int setup(void **state)
{
	log_open(-1, LOG_LEVEL_ERR, false);
	return 0;
}

static int read_sandbox(const char *text, struct daytona_sandbox *ret)
{
	struct json_reply j;
	int r;

	json_reply_open(&j, text, strlen(text));
	daytona_sandbox_read(&j, j.root, ret);
	r = json_reply_fault(&j, "test");
	json_reply_close(&j);
	return r;
}

static void reads_a_sandbox_and_passes_over_what_is_new(void **state)
{
	struct daytona_sandbox s;

	assert_int_equal(
		read_sandbox(
			"{\"id\":\"0b6e-1\",\"state\":\"started\",\"fromTheFuture\":{\"a\":[1]}"
			","
			"\"labels\":{\"fragfs.label\":\"demo\",\"fragfs.call\":\"n1\",\"x\":"
			"\"y\"},"
			"\"toolboxProxyUrl\":\"https://proxy.example/toolbox//\","
			"\"createdAt\":\"2026-08-20T10:00:00.123Z\",\"autoStopInterval\":15,"
			"\"autoDestroyAt\":null,\"cpu\":1,\"gpu\":0}",
			&s),
		0);
	assert_string_equal(s.info.id, "0b6e-1");
	assert_string_equal(s.info.label, "demo");
	assert_string_equal(s.nonce, "n1");
	assert_string_equal(s.toolbox, "https://proxy.example/toolbox");
	assert_int_equal(s.info.state, PROVIDER_RUNNING);
	assert_int_equal(s.info.created, 1787220000);
	assert_int_equal(s.info.expires, 0);
	assert_int_equal(s.idle_minutes, 15);
	assert_int_equal(s.info.idle_seconds, 900);
	assert_memory_equal(s.info.labels, "x=y\0", 5);
}

static void knows_all_states(void **state)
{
	static const struct {
		const char *name;
		enum daytona_phase phase;
		enum provider_state state;
	} rows[] = {
		{"creating", DAYTONA_MOVING_UP, PROVIDER_STARTING},
		{"restoring", DAYTONA_MOVING_UP, PROVIDER_STARTING},
		{"pending_build", DAYTONA_MOVING_UP, PROVIDER_STARTING},
		{"a_new_one", DAYTONA_MOVING_UP, PROVIDER_STARTING},
		{"started", DAYTONA_UP, PROVIDER_RUNNING},
		{"resizing", DAYTONA_MOVING, PROVIDER_STARTING},
		{"stopping", DAYTONA_STOPPING, PROVIDER_STOPPED},
		{"stopped", DAYTONA_STOPPED, PROVIDER_STOPPED},
		{"archiving", DAYTONA_STOPPED, PROVIDER_STOPPED},
		{"archived", DAYTONA_STOPPED, PROVIDER_STOPPED},
		{"pausing", DAYTONA_PAUSING, PROVIDER_PAUSED},
		{"paused", DAYTONA_PAUSED, PROVIDER_PAUSED},
		{"destroying", DAYTONA_LEAVING, PROVIDER_STOPPED},
		{"destroyed", DAYTONA_LEAVING, PROVIDER_STOPPED},
		{"error", DAYTONA_FAILED, PROVIDER_STOPPED},
		{"build_failed", DAYTONA_FAILED, PROVIDER_STOPPED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(daytona_phase_of(rows[i].name), rows[i].phase);
		assert_int_equal(daytona_state_of(rows[i].phase), rows[i].state);
	}
}

static void refuses_a_sandbox_that_cannot_be_one(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"<html>",
		"{}",
		"{\"id\":\"../etc\"}",
		"{\"id\":\"a b\"}",
		"{\"id\":7}",
		"{\"id\":\"a\",\"labels\":[]}",
		"{\"id\":\"a\",\"createdAt\":\"now\"}",
		"{\"id\":\"a\",\"autoStopInterval\":\"x\"}",
		"{\"id\":\"a\",\"toolboxProxyUrl\":\"ftp://x\"}",
		"{\"id\":\"a\",\"toolboxProxyUrl\":\"https://user@evil\"}",
		"{\"id\":"
		"\"0123456789012345678901234567890123456789012345678901234567890123\"}"};
	struct daytona_sandbox s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(read_sandbox(bad[i], &s), -EPROTO);
}

static size_t read_page(const char *text, char cursor[DAYTONA_CURSOR_MAX], int *fault)
{
	const struct json *items;
	struct json_reply j;
	size_t n;

	json_reply_open(&j, text, strlen(text));
	items = daytona_page_read(&j, cursor);
	n = items ? json_count(items) : 0;
	*fault = json_reply_fault(&j, "test");
	json_reply_close(&j);
	return n;
}

static void reads_pages_of_either_server(void **state)
{
	char cursor[DAYTONA_CURSOR_MAX];
	int fault;

	assert_int_equal(
		read_page("{\"items\":[{},{}],\"nextCursor\":\"eyJh+/=\"}", cursor, &fault), 2);
	assert_int_equal(fault, 0);
	assert_string_equal(cursor, "eyJh+/=");
	assert_int_equal(read_page("{\"items\":[],\"nextCursor\":null}", cursor, &fault), 0);
	assert_int_equal(fault, 0);
	assert_string_equal(cursor, "");
	assert_int_equal(read_page("[{},{},{}]", cursor, &fault), 3);
	assert_int_equal(fault, 0);
	(void)read_page("{\"items\":7}", cursor, &fault);
	assert_int_equal(fault, -EPROTO);
}

static struct daytona_error read_error(const char *text)
{
	struct daytona_error e;

	daytona_error_read(text, strlen(text), &e);
	return e;
}

static void reads_all_shapes_of_errors(void **state)
{
	struct daytona_error e = read_error(
		"{\"statusCode\":404,\"message\":\"not found: x\",\"code\":\"NOT_FOUND\","
		"\"timestamp\":\"t\",\"path\":\"/p\",\"method\":\"GET\"}");

	assert_string_equal(e.message, "not found: x");
	assert_string_equal(e.code, "NOT_FOUND");
	e = read_error("{\"errors\":[\"mkdir: permission denied\",\"two\"],\"files\":null}");
	assert_string_equal(e.message, "mkdir: permission denied");
	e = read_error("{\"error\":\"paths are needed\"}");
	assert_string_equal(e.message, "paths are needed");
	e = read_error("{\"error_code\":\"X\",\"message\":\"m\"}");
	assert_string_equal(e.code, "X");
	e = read_error("404 page not found");
	assert_true(e.no_route);
	assert_false(e.json);
	e = read_error("{\"message\":\"Cannot GET /api/nope\",\"error\":\"Not Found\"}");
	assert_true(e.no_route);
	e = read_error("");
	assert_false(e.json || e.no_route || e.not_running);
	e = read_error("<html>502 Bad Gateway</html>");
	assert_string_equal(e.message, "");
	e = read_error("{\"message\":\"evil \\u001b[31m\"}");
	assert_string_equal(e.message, "evil \\x1b[31m");
	e = read_error("{\"message\":[\"a\"],\"error\":{}}");
	assert_string_equal(e.message, "");
}

static void knows_the_words_of_a_hop(void **state)
{
	assert_true(
		read_error("{\"message\":\"bad request: no IP address found. Is the Sandbox "
			   "started?\"}")
			.not_running);
	assert_true(read_error("{\"message\":\"sandbox container not found\"}").not_running);
	assert_true(read_error("{\"message\":\"failed to get runner info\"}").not_running);
	assert_false(read_error("{\"message\":\"not found: file\"}").not_running);
}

static void a_quota_is_a_denial(void **state)
{
	struct daytona_error quota = read_error(
		"{\"message\":\"Total CPU quota exceeded (10).\",\"statusCode\":400}");
	struct daytona_error other = read_error("{\"message\":\"Snapshot x not found\"}");

	assert_int_equal(daytona_error_outcome(400, &quota), PROVIDER_DENIED);
	assert_int_equal(daytona_error_outcome(400, &other), 0);
	assert_int_equal(daytona_error_outcome(422, &other), PROVIDER_UNSUPPORTED);
}

static void reads_what_was_executed(void **state)
{
	static const struct {
		const char *text;
		int result, code;
		const char *printed;
	} rows[] = {
		{"{\"exitCode\":0,\"result\":\"a\\u003cb\\n\"}", 0, 0, "a<b\n"},
		{"{\"exitCode\":-1,\"result\":\"\"}", 0, -1, ""},
		{"{\"code\":3,\"result\":\"old\"}", 0, 3, "old"},
		{"{\"result\":\"lost\"}", 0, -1, "lost"},
		{"{\"exitCode\":1}", 0, 1, ""},
		{"{\"exitCode\":1000}", -EPROTO, 0, NULL},
		{"{\"exitCode\":0,\"result\":[]}", -EPROTO, 0, NULL},
		{"nothing", -EPROTO, 0, NULL},
	};
	CLEANUP(buf_deinit) struct buf b = {0};
	int code = 0;

	buf_init(&b, 1024);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(
			daytona_executed_read(rows[i].text, strlen(rows[i].text), &code, &b),
			rows[i].result);
		if (rows[i].result)
			continue;
		assert_int_equal(code, rows[i].code);
		assert_string_equal(b.data, rows[i].printed);
	}
}

static int uploaded(const char *text)
{
	return daytona_uploaded_read(text, strlen(text), "-put-b", 3);
}

static void believes_an_upload_only_when_it_names_it(void **state)
{
	assert_int_equal(
		uploaded("{\"files\":[{\"path\":\"/a\xef\xbf\xbd/.frag-put-b\",\"bytes\":3}]}"),
		0);
	assert_int_equal(
		uploaded("{\"files\":[{\"path\":\"/a\xef\xbf\xbd/.frag-put-b\",\"bytes\":2}]}"),
		-EPROTO);
	assert_int_equal(uploaded("{\"files\":[{\"path\":\"/a/-put-c\",\"bytes\":3}]}"),
			 -EPROTO);
	assert_int_equal(uploaded("{\"files\":[]}"), -EPROTO);
	assert_int_equal(uploaded("{\"files\":null}"), -EPROTO);
	assert_int_equal(uploaded(""), -EPROTO);
}

static void reads_what_kind_of_file_it_is(void **state)
{
	mode_t mode = 0;
	char type = 0;

#define FILE_READ(text) daytona_file_read(text, sizeof(text) - 1, &type, &mode)
	assert_int_equal(FILE_READ("{\"name\":\"a\",\"mode\":\"-rw-r--r--\",\"size\":5,"
				   "\"permissions\":\"0640\"}"),
			 0);
	assert_int_equal(type, '-');
	assert_int_equal(mode, 0640);
	assert_int_equal(FILE_READ("{\"mode\":\"prw-r--r--\",\"size\":0}"), 0);
	assert_int_equal(type, 'p');
	assert_int_equal(mode, 0);
	assert_int_equal(FILE_READ("{\"mode\":\"\",\"isDir\":true,\"size\":0}"), 0);
	assert_int_equal(type, 'd');
	assert_int_equal(FILE_READ("{\"mode\":\"-rw\"}"), -EPROTO);
}

static void reads_a_preview(void **state)
{
	struct provider_preview v = {0};

#define PREVIEW_READ(text) daytona_preview_read(text, sizeof(text) - 1, &v)
	assert_int_equal(PREVIEW_READ("{\"url\":\"https://3000-x.example\",\"token\":\"t0k\"}"),
			 0);
	assert_string_equal(v.url, "https://3000-x.example");
	assert_string_equal(v.header, "X-Daytona-Preview-Token: t0k");
	assert_int_equal(PREVIEW_READ("{\"url\":\"https://x.example\",\"token\":\"a\\nB: c\"}"),
			 -EPROTO);
	assert_int_equal(PREVIEW_READ("{\"url\":\"file:///etc\"}"), -EPROTO);
}

static void takes_the_marks_off_a_log(void **state)
{
	static const char *const logs[] = {
		"{\"output\":\"\\u0001\\u0001\\u0001out\\n\\u0002\\u0002\\u0002err\\n\"}",
		"\1\1\1out\n\2\2\2err\n", "out\nerr\n"};

	for (size_t i = 0; i < sizeof(logs) / sizeof(*logs); i++) {
		CLEANUP(buf_deinit) struct buf b = {0};

		buf_init(&b, 64);
		assert_int_equal(daytona_logs_read(logs[i], strlen(logs[i]), &b), 0);
		assert_string_equal(b.data, "out\nerr\n");
	}
}

static void reads_a_url_and_nothing_else(void **state)
{
	char url[DAYTONA_URL_MAX] = "";

#define URL_READ(text) daytona_url_read(text, sizeof(text) - 1, url)
	assert_int_equal(URL_READ("{\"url\":\"https://3000-abc.proxy.example\"}"), 0);
	assert_string_equal(url, "https://3000-abc.proxy.example");
	assert_int_equal(URL_READ("{\"url\":\"javascript:alert(1)\"}"), -EPROTO);
	assert_int_equal(URL_READ("{\"url\":\"https://a b\"}"), -EPROTO);
	assert_int_equal(URL_READ("{\"url\":\"https:///x\"}"), -EPROTO);
	assert_int_equal(URL_READ("{}"), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_sandbox_and_passes_over_what_is_new),
		cmocka_unit_test(knows_all_states),
		cmocka_unit_test(refuses_a_sandbox_that_cannot_be_one),
		cmocka_unit_test(reads_pages_of_either_server),
		cmocka_unit_test(reads_all_shapes_of_errors),
		cmocka_unit_test(knows_the_words_of_a_hop),
		cmocka_unit_test(a_quota_is_a_denial),
		cmocka_unit_test(reads_what_was_executed),
		cmocka_unit_test(believes_an_upload_only_when_it_names_it),
		cmocka_unit_test(reads_what_kind_of_file_it_is),
		cmocka_unit_test(reads_a_preview),
		cmocka_unit_test(takes_the_marks_off_a_log),
		cmocka_unit_test(reads_a_url_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
