/* Commands and files inside an E2B sandbox, against bytes recorded from envd: what is sent, and what counts as done. */
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
#include "tests/unit/e2b_wire.h"

static void runs_a_command_and_defaults_the_exit_code(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "POST /process.Process/Start",
		 .head = STREAM,
		 BYTES(START_FRAME USER_FRAME ALIVE_FRAME ZERO_FRAME DONE_FRAME)},
		{0}};
	static const char start[] =
		"{\"process\":{\"cmd\":\"id\",\"args\":[\"-un\"],\"envs\":{\"A\":\"1\"},"
		"\"cwd\":\"/tmp\"}\n,\"stdin\":false}\n";
	const char *env[] = {"A=1", NULL};
	struct provider_exec x = {.cwd = "/tmp", .env = env, .status = 77};
	struct fixture *f = *state;
	const struct scripted_request *r;

	serve(f, script);
	assert_int_equal(run(f, &x), 0);
	assert_int_equal(x.status, 0);
	assert_string_equal(f->out, "user\n");
	r = scripted_last(f->server, "POST /process.Process/Start");
	assert_true(has(r->head, "Content-Type: application/connect+json\r\n"));
	assert_true(has(r->head, "Connect-Protocol-Version: 1\r\n"));
	assert_true(has(r->head, "Keepalive-Ping-Interval: 30\r\n"));
	assert_true(has(r->head, "E2b-Sandbox-Id: " ID "\r\n"));
	assert_true(has(r->head, "E2b-Sandbox-Port: 49983\r\n"));
	assert_false(has(r->head, "Connect-Timeout-Ms")); /* it would kill the command */
	assert_int_equal(r->body_len, 5 + (unsigned char)r->body[4]);
	assert_int_equal(r->body[0], 0);
	assert_string_equal(r->body + 5, start);
}

static void sends_input_in_order_and_closes_it(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "POST /process.Process/SendInput", .head = JSON, .body = "{}"},
		{.match = "POST /process.Process/CloseStdin", .head = JSON, .body = "{}"},
		/* the stream is slow enough for the input to come before its end */
		{.match = "POST /process.Process/Start",
		 .head = STREAM,
		 BYTES(START_FRAME ALIVE_FRAME ALIVE_FRAME ALIVE_FRAME ZERO_FRAME DONE_FRAME),
		 .end = SCRIPTED_DRIP},
		{0}};
	struct provider_exec x = {.in = "user\n", .in_len = 5};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(run(f, &x), 0);
	assert_true(has(body_of(f, "POST /process.Process/Start") + 5, "\"stdin\":true"));
	assert_string_equal(scripted_at(f->server, 2)->body,
			    "{\"process\":{\"pid\":531},\"input\":{\"stdin\":\"dXNlcgo=\"}}");
	assert_string_equal(scripted_at(f->server, 3)->line,
			    "POST /process.Process/CloseStdin");
	assert_string_equal(scripted_at(f->server, 3)->body, "{\"process\":{\"pid\":531}}");
}

static void takes_no_stream_for_done_that_did_not_say_so(void **state)
{
	static const struct {
		struct scripted_reply stream, probe;
		int result;
	} rows[] = {
		/* no end event: the daemon died politely */
		{{.match = "POST /process", .head = STREAM, BYTES(START_FRAME DONE_FRAME)},
		 KNOWN,
		 PROVIDER_OFFLINE},
		/* no end frame */
		{{.match = "POST /process", .head = STREAM, BYTES(START_FRAME ZERO_FRAME)},
		 KNOWN,
		 PROVIDER_OFFLINE},
		/* cut in a frame, and the sandbox has gone to sleep */
		{{.match = "POST /process",
		  .head = STREAM,
		  BYTES(START_FRAME USER_FRAME),
		  .cut = 50,
		  .end = SCRIPTED_RESET},
		 {.match = "GET /sandboxes/", .head = JSON, .body = PAUSED},
		 PROVIDER_ASLEEP},
		/* or is no more */
		{{.match = "POST /process",
		  .head = STREAM,
		  BYTES(START_FRAME),
		  .length = 500,
		  .end = SCRIPTED_CLOSE},
		 {.match = "GET /sandboxes/", .head = ERROR("404"), .body = "{\"code\":404}"},
		 PROVIDER_GONE},
		/* the proxy does not know it any more */
		{{.match = "POST /process",
		  .head = ERROR("502"),
		  .body = "{\"sandboxId\":\"" ID
			  "\",\"message\":\"The sandbox was not found\",\"code\":502}"},
		 {.match = "GET /sandboxes/", .head = JSON, .body = PAUSED},
		 PROVIDER_ASLEEP},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct scripted_reply script[] = {{.match = "GET /sandboxes/",
						   .head = JSON,
						   .body = SANDBOX("0.6.13"),
						   .uses = 1},
						  rows[i].stream,
						  rows[i].probe,
						  {0}};
		struct provider_exec x = {0};

		serve(f, script);
		assert_int_equal(run(f, &x), rows[i].result);
		provider_free(f->p);
		scripted_free(f->server);
		f->p = NULL;
		f->server = NULL;
	}
}

static void tells_why_a_command_did_not_start(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "POST /process",
		 .head = STREAM,
		 .uses = 1,
		 BYTES("\x02\0\0\0\x4c{\"error\":{\"code\":\"invalid_argument\",\"message\":"
		       "\"cwd '/nope' does not "
		       "exist\"}}")},
		{.match = "POST /process",
		 .head = STREAM,
		 BYTES("\x02\0\0\0\x63{\"error\":{\"code\":\"invalid_argument\",\"message\":"
		       "\"error starting process "
		       "'id canary': argument list\"}}")},
		{0}};
	const char *huge[] = {"x", NULL, NULL}, *raw[] = {"x", "\xff", NULL};
	struct provider_exec x = {0};
	struct fixture *f = *state;
	char *big = malloc(200000);

	assert_non_null(big);
	memset(big, 'a', 199999);
	big[199999] = '\0';
	serve(f, script);
	assert_int_equal(run(f, &x), PROVIDER_REFUSED);
	assert_string_equal(f->c.why, "cwd '/nope' does not exist");
	assert_int_equal(run(f, &x), PROVIDER_REFUSED);
	assert_string_equal(f->c.why, "the command could not be started");
	huge[1] = big;
	x.argv = huge;
	assert_int_equal(provider_exec(f->p, ID, &x, call(f)), PROVIDER_REFUSED);
	x.argv = raw;
	assert_int_equal(provider_exec(f->p, ID, &x, call(f)), PROVIDER_REFUSED);
	free(big);
}

static void asks_for_the_token_again_when_it_changed(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "POST /process",
		 .head = ERROR("401"),
		 .uses = 1,
		 .body = "{\"code\":401,\"message\":\"unauthorized access, please provide a "
			 "valid access token\"}"},
		{.match = "POST /process",
		 .head = STREAM,
		 .uses = 1,
		 BYTES(START_FRAME USER_FRAME ZERO_FRAME DONE_FRAME)},
		{.match = "POST /process",
		 .head = ERROR("401"),
		 .body = "{\"code\":401,\"message\":\"no\"}"},
		{0}};
	struct provider_exec x = {0};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(run(f, &x), 0);
	assert_string_equal(f->out, "user\n");
	assert_int_equal(scripted_count(f->server), 4);
	assert_int_equal(run(f, &x), PROVIDER_DENIED); /* once only */
	assert_int_equal(scripted_count(f->server), 7);
}

static void kills_what_it_gives_up(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "POST /process.Process/Start",
		 .head = STREAM,
		 .length = -1,
		 BYTES(START_FRAME USER_FRAME),
		 .end = SCRIPTED_HANG},
		{.match = "POST /process.Process/SendSignal", .head = JSON, .body = "{}"},
		{0}};
	struct provider_exec x = {.argv = argv_id, .on_output = took};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(provider_exec(f->p, ID, &x, call(f)), 0);
	while (f->out_len == 0)
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
	assert_int_equal(provider_cancel(f->p, &f->c), 0);
	assert_int_equal(settle(f, 0), -ECANCELED);
	while (!scripted_last(f->server, "POST /process.Process/SendSignal"))
		assert_true(provider_poll(f->p, NULL, 0, 10) >= 0);
	assert_string_equal(body_of(f, "POST /process.Process/SendSignal"),
			    "{\"process\":{\"pid\":531},\"signal\":\"SIGNAL_SIGKILL\"}");
	/* and at a deadline, which the server is told, too */
	call(f)->deadline_ms = 300;
	assert_int_equal(settle(f, provider_exec(f->p, ID, &x, &f->c)), -ETIMEDOUT);
	assert_true(has(scripted_last(f->server, "POST /process.Process/Start")->head,
			"Connect-Timeout-Ms: "));
}

static void refuses_a_stream_of_garbage(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "POST /process",
		 .head = STREAM,
		 .uses = 1,
		 BYTES("\0\xff\xff\xff\xff")},
		{.match = "POST /process", .head = STREAM, .uses = 1, BYTES("\0\0\0\0\x02[]")},
		{.match = "POST /process",
		 .head = "HTTP/1.1 200 OK\r\nContent-Type: text/html",
		 .body = "<html>log in</html>"},
		{0}};
	struct provider_exec x = {0};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(run(f, &x), -EPROTO);
	assert_int_equal(run(f, &x), -EPROTO);
	assert_int_equal(run(f, &x), PROVIDER_OFFLINE);
	assert_true(has(f->c.why, "web page"));
}

#define WROTE "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8"

static void puts_a_file_and_its_mode(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "POST /files?path=%2Fa%20b%2F%22q%22",
		 .head = WROTE,
		 .body = "[{\"name\":\"q\",\"path\":\"/a b/\\\"q\\\"\",\"type\":\"file\"}]"},
		{.match = "POST /process",
		 .head = STREAM,
		 BYTES(START_FRAME ZERO_FRAME DONE_FRAME)},
		{0}};
	struct provider_file file = {
		.path = "/a b/\"q\"", .data = "\0x", .len = 2, .mode = 0755};
	struct fixture *f = *state;
	const struct scripted_request *r;

	serve(f, script);
	assert_int_equal(settle(f, provider_put(f->p, ID, &file, call(f))), 0);
	r = scripted_last(f->server, "POST /files");
	assert_true(has(r->head, "Content-Type: application/octet-stream\r\n"));
	assert_int_equal(r->body_len, 2);
	assert_memory_equal(r->body, "\0x", 2);
	assert_true(has(body_of(f, "POST /process") + 5,
			"\"cmd\":\"chmod\",\"args\":[\"755\",\"--\",\"/a b/\\\"q\\\"\"]"));
}

static void puts_in_parts_where_envd_is_old(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "GET /sandboxes/" ID, .head = JSON, .body = SANDBOX("0.3.9")},
		{.match = "POST /files?path=%2Fx&username=user",
		 .head = WROTE,
		 .body = "[{\"path\":\"/x\",\"type\":\"file\"}]"},
		{.match = "POST /process",
		 .head = STREAM,
		 BYTES(START_FRAME ZERO_FRAME DONE_FRAME)},
		{0}};
	struct provider_file file = {.path = "/x", .data = "data", .len = 4, .mode = 0644};
	struct fixture *f = *state;
	const struct scripted_request *r;

	serve(f, script);
	assert_int_equal(settle(f, provider_put(f->p, ID, &file, call(f))), 0);
	r = scripted_last(f->server, "POST /files");
	assert_true(has(r->head, "Content-Type: multipart/form-data; boundary="));
	assert_true(has(r->head, "Authorization: Basic dXNlcjo=\r\n"));
	assert_true(has(r->body, "name=\"file\"; filename*=utf-8''%2Fx\r\n"));
	assert_true(has(r->body, "\r\n\r\ndata\r\n--"));
}

static void notices_a_file_that_went_elsewhere(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "POST /files",
		 .head = WROTE,
		 .uses = 1,
		 .body = "[{\"path\":\"/a%22\",\"type\":\"file\"}]"},
		{.match = "POST /files",
		 .head = ERROR("507"),
		 .body = "{\"code\":507,\"message\":\"disk full\"}"},
		{0}};
	struct provider_file file = {.path = "/a\"", .data = "d", .len = 1, .mode = 0644};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_put(f->p, ID, &file, call(f))), -EPROTO);
	assert_int_equal(settle(f, provider_put(f->p, ID, &file, call(f))), PROVIDER_REFUSED);
	assert_string_equal(f->c.why, "disk full");
}

static int fetch(struct fixture *f, const char *path, struct buf *into)
{
	static struct provider_sink sink;

	sink = (struct provider_sink){.path = path, .into = into};
	return provider_fetch(f->p, ID, &sink, call(f));
}

static void fetches_bytes_whole_or_not_at_all(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "GET /files?path=%2Fgood",
		 .head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain",
		 BYTES("a\0b")},
		{.match = "GET /files?path=%2Fcut",
		 .head = "HTTP/1.1 200 OK",
		 .body = "abcdef",
		 .cut = 3,
		 .end = SCRIPTED_RESET},
		{.match = "GET /files?path=%2Fdir",
		 .head = ERROR("400"),
		 .body = "{\"code\":400,\"message\":\"path '/dir' is a directory\"}\n"},
		{.match = "GET /files?path=%2Fnone",
		 .head = ERROR("404"),
		 .body = "{\"code\":404,\"message\":\"path '/none' does not exist\"}\n"},
		{0}};
	CLEANUP(buf_deinit) struct buf b = {0};
	struct fixture *f = *state;

	buf_init(&b, 1000);
	assert_int_equal(buf_str(&b, ">"), 0);
	serve(f, script);
	assert_int_equal(settle(f, fetch(f, "/good", &b)), 0);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, ">a\0b", 4);
	assert_int_equal(settle(f, fetch(f, "/cut", &b)), PROVIDER_OFFLINE);
	assert_int_equal(b.len, 4);
	assert_int_equal(settle(f, fetch(f, "/dir", &b)), PROVIDER_REFUSED);
	assert_int_equal(settle(f, fetch(f, "/none", &b)), PROVIDER_REFUSED);
	assert_string_equal(f->c.why, "path '/none' does not exist");
	buf_clear(&b);
	b.limit = 2;
	assert_int_equal(settle(f, fetch(f, "/good", &b)), -E2BIG);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(runs_a_command_and_defaults_the_exit_code),
		T(sends_input_in_order_and_closes_it),
		T(takes_no_stream_for_done_that_did_not_say_so),
		T(tells_why_a_command_did_not_start),
		T(asks_for_the_token_again_when_it_changed),
		T(kills_what_it_gives_up),
		T(refuses_a_stream_of_garbage),
		T(puts_a_file_and_its_mode),
		T(puts_in_parts_where_envd_is_old),
		T(notices_a_file_that_went_elsewhere),
		T(fetches_bytes_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
