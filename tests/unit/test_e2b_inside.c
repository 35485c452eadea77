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

#include "base/alloc.h"
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
	assert_int_equal(r->body_len,
			 5 + ((unsigned char)r->body[3] << 8 | (unsigned char)r->body[4]));
	assert_memory_equal(r->body, "\0\0\0", 3);
	/* behind the line of sh that makes a process group */
	assert_true(has(r->body + 5, "{\"process\":{\"cmd\":\"/bin/sh\",\"args\":[\"-c\",\""));
	assert_true(has(r->body + 5, "exec setsid "));
	assert_true(has(r->body + 5, "\",\"sh\",\"\",\"id\",\"-un\"],\"envs\":{\"A\":\"1\"},"
				     "\"cwd\":\"/tmp\"}\n,\"stdin\":false}\n"));
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

/* The last Start whose message holds `part`, waited for. */
static const struct scripted_request *await_start(struct fixture *f, const char *part)
{
	for (;;) {
		for (size_t i = scripted_count(f->server); i-- > 0;) {
			const struct scripted_request *r = scripted_at(f->server, i);

			if (has(r->line, "/process.Process/Start") && has(r->body + 5, part))
				return r;
		}
		assert_true(provider_poll(f->p, NULL, 0, 10) >= 0);
	}
}

#define ENDLESS                                                                                \
	{                                                                                      \
		.match = "POST /process.Process/Start", .head = STREAM, .length = -1,          \
		BYTES(START_FRAME USER_FRAME), .end = SCRIPTED_HANG                            \
	}

static void kills_the_group_of_what_it_gives_up(void **state)
{
	static const struct scripted_reply script[] = {KNOWN, ENDLESS, {0}};
	struct provider_exec x = {.argv = argv_id, .on_output = took};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(provider_exec(f->p, ID, &x, call(f)), 0);
	while (f->out_len == 0)
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
	assert_int_equal(provider_exec_signal(f->p, &f->c, 2), 0);
	(void)await_start(f, "kill -2 -- -531 2>/dev/null || kill -2 531");
	assert_int_equal(provider_cancel(f->p, &f->c), 0);
	assert_int_equal(settle(f, 0), -ECANCELED);
	(void)await_start(f, "kill -9 -- -531");
}

static void gives_up_at_a_deadline_that_the_server_knows_too(void **state)
{
	static const struct scripted_reply script[] = {KNOWN, ENDLESS, {0}};
	struct provider_exec x = {.argv = argv_id};
	struct fixture *f = *state;

	serve(f, script);
	call(f)->deadline_ms = 300;
	assert_int_equal(settle(f, provider_exec(f->p, ID, &x, &f->c)), -ETIMEDOUT);
	assert_true(has(await_start(f, "\"id\"")->head, "Connect-Timeout-Ms: "));
	(void)await_start(f, "kill -9 -- -531");
}

static void feeds_a_command_and_tells_when_there_is_room(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "POST /process.Process/SendInput", .head = JSON, .body = "{}"},
		{.match = "POST /process.Process/CloseStdin", .head = JSON, .body = "{}"},
		ENDLESS,
		{0}};
	struct provider_exec x = {.argv = argv_id, .fed = true, .in = "a", .in_len = 1};
	size_t len = 3 << 20, sent = 0;
	struct fixture *f = *state;
	char *data = alloc_zero(len);
	size_t got = 0;

	serve(f, script);
	assert_int_equal(provider_exec(f->p, ID, &x, call(f)), 0);
	assert_int_equal(provider_exec_feed(f->p, &f->c, "b", 1), 1); /* before it runs */
	while (sent < len) {
		ssize_t n = provider_exec_feed(f->p, &f->c, data + sent, len - sent);

		assert_true(n > 0 || n == -EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
		assert_true(provider_poll(f->p, NULL, 0, 10) >= 0);
	}
	assert_int_equal(provider_exec_feed_end(f->p, &f->c), 0);
	while (!scripted_last(f->server, "POST /process.Process/CloseStdin"))
		assert_true(provider_poll(f->p, NULL, 0, 10) >= 0);
	assert_int_equal(provider_exec_feed(f->p, &f->c, "x", 1), -EPIPE);
	for (size_t i = 0; i < scripted_count(f->server); i++) {
		const struct scripted_request *r = scripted_at(f->server, i);

		if (has(r->line, "SendInput"))
			got += (strcspn(strstr(r->body, "stdin\":\"") + 8, "=\"")) * 3 / 4;
	}
	assert_int_equal(got, len + 2);
	free(data);
}

static void says_that_an_old_envd_cannot_close_input(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "POST /process.Process/SendInput", .head = JSON, .body = "{}"},
		{.match = "POST /process.Process/CloseStdin",
		 .head = "HTTP/1.1 404 Not Found",
		 .body = "404 page not found"},
		ENDLESS,
		{0}};
	struct provider_exec x = {.in = "a", .in_len = 1};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(run(f, &x), PROVIDER_UNSUPPORTED);
}

static void leaves_a_background_command_and_finds_it_again(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		ENDLESS,
		{.match = "POST /process.Process/List", .head = JSON, .uses = 1, .body = "{}"},
		{.match = "POST /process.Process/List",
		 .head = JSON,
		 .body = "{\"processes\":[{\"pid\":531,\"tag\":\"another\",\"config\":{\"cmd\":"
			 "\"x\"}}]}"},
		{.match = "POST /process.Process/Connect",
		 .head = STREAM,
		 BYTES(START_FRAME USER_FRAME ZERO_FRAME DONE_FRAME)},
		{0}};
	struct provider_exec x = {.argv = argv_id, .background = true};
	struct provider_exec again = {.on_output = took};
	struct fixture *f = *state;
	size_t n;

	serve(f, script);
	assert_int_equal(settle(f, provider_exec(f->p, ID, &x, call(f))), 0);
	assert_memory_equal(x.ref, "531.", 4);
	assert_true(has(await_start(f, "\"id\"")->body + 5, x.ref + 4));
	n = scripted_count(f->server);
	assert_int_equal(provider_poll(f->p, NULL, 0, 50), 0);
	assert_int_equal(scripted_count(f->server), n); /* it is not killed */
	assert_int_equal(settle(f, provider_attach(f->p, ID, x.ref, &again, call(f))), 0);
	assert_string_equal(f->out, "user\n");
	assert_memory_equal(body_of(f, "POST /process.Process/Connect"),
			    "\0\0\0\0\x17{\"process\":{\"pid\":531}}", 28);
	/* its pid is another's by now */
	assert_int_equal(settle(f, provider_attach(f->p, ID, x.ref, &again, call(f))),
			 PROVIDER_REFUSED);
	assert_int_equal(provider_attach(f->p, ID, "531", &again, call(f)), PROVIDER_REFUSED);
}

static void tells_what_a_sandbox_uses(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "GET /metrics",
		 .head = JSON,
		 .body = "{\"ts\":1795415460,\"cpu_count\":2,\"cpu_used_pct\":25.5,\"mem_"
			 "total\":4096,"
			 "\"mem_used\":1024,\"disk_used\":7,\"disk_total\":8}"},
		{0}};
	struct provider_metrics m;
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_metrics(f->p, ID, &m, call(f))), 0);
	assert_int_equal(m.time, 1795415460);
	assert_int_equal(m.cpu_limit, 200);
	assert_int_equal(m.cpu_percent, 51);
	assert_int_equal(m.memory_bytes, 1024);
	assert_int_equal(m.disk_limit, 8);
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
			"\"chmod\",\"755\",\"--\",\"/a b/\\\"q\\\"\"]"));
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

static ssize_t read_a_file(struct provider_call *c, void *data, size_t cap)
{
	struct fixture *f = c->arg;

	if (f->out_len == 0) { /* not yet */
		f->out_len = 1;
		return -EAGAIN;
	}
	if (f->out_len++ > 3)
		return 0;
	memcpy(data, "abc", 3);
	return 3;
}

static void puts_a_file_that_is_read_on_the_way(void **state)
{
	static const struct scripted_reply script[] = {
		KNOWN,
		{.match = "POST /files", .head = WROTE, .body = "[{\"path\":\"/x\"}]"},
		{.match = "POST /process",
		 .head = STREAM,
		 BYTES(START_FRAME ZERO_FRAME DONE_FRAME)},
		{0}};
	struct provider_file file = {
		.path = "/x", .on_read = read_a_file, .size = -1, .mode = 0644};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(provider_put(f->p, ID, &file, call(f)), 0);
	while (f->out_len == 0)
		assert_true(provider_poll(f->p, NULL, 0, 10) >= 0);
	provider_more(f->p, &f->c);
	assert_int_equal(settle(f, 0), 0);
	assert_string_equal(body_of(f, "POST /files"), "abcabcabc");
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
		T(kills_the_group_of_what_it_gives_up),
		T(gives_up_at_a_deadline_that_the_server_knows_too),
		T(feeds_a_command_and_tells_when_there_is_room),
		T(says_that_an_old_envd_cannot_close_input),
		T(leaves_a_background_command_and_finds_it_again),
		T(tells_what_a_sandbox_uses),
		T(refuses_a_stream_of_garbage),
		T(puts_a_file_and_its_mode),
		T(puts_in_parts_where_envd_is_old),
		T(puts_a_file_that_is_read_on_the_way),
		T(notices_a_file_that_went_elsewhere),
		T(fetches_bytes_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
