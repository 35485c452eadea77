/* Many requests on one thread: what comes back whole, what a bad server or network turns into, and
 * that secrets stay secret. Against a server of ours that says exactly the bytes it is told to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "provider/http.h"
#include "provider/provider.h"
#include "tests/peers/scripted.h"

#define OK_JSON  "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8"
#define OK_BYTES "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream"

enum { PATIENCE_MS = 60000 };

struct fixture {
	struct http *http;
	struct scripted *server;
};

struct asked {
	struct http_request r;
	char url[128], body[256];
	size_t n_body, paused_at;
	int result, n_done;
};

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));
	struct http_config config = {.proxy = ""};

	log_open(-1, LOG_LEVEL_ERR, false);
	assert_int_equal(http_new(&config, &f->http), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_free(f->http);
	scripted_free(f->server);
	free(f);
	return 0;
}

static void ended(struct http_request *r, int result)
{
	struct asked *a = r->arg;
	size_t len;
	const char *reply = http_reply(r, &len);

	a->n_done++;
	a->result = result;
	if (!r->on_body) {
		a->n_body = len;
		(void)snprintf(a->body, sizeof(a->body), "%s", reply);
	}
}

static void start(struct fixture *f, struct asked *a, const char *path)
{
	if (!a->r.url) {
		(void)snprintf(a->url, sizeof(a->url), "http://127.0.0.1:%u%s",
			       scripted_port(f->server), path);
		a->r.url = a->url;
	}
	if (!a->r.method)
		a->r.method = "GET";
	a->r.done = ended;
	a->r.arg = a;
	assert_int_equal(http_start(f->http, &a->r), 0);
}

static int finish(struct fixture *f, struct asked *a)
{
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;

	while (!a->n_done) {
		assert_true(http_poll(f->http, NULL, 0, 1000) >= 0);
		assert_true(clock_now(clock_system()) < end);
	}
	assert_int_equal(a->n_done, 1);
	return a->result;
}

static int ask(struct fixture *f, struct asked *a, const char *path)
{
	start(f, a, path);
	return finish(f, a);
}

static void serve(struct fixture *f, const struct scripted_reply *replies)
{
	f->server = scripted_new(replies);
}

static void gets_a_reply_and_its_headers(void **state)
{
	static const struct scripted_reply script[] = {
		{.head = OK_JSON "\r\nX-Next-Token: n2", .body = "{\"a\":1}"}, {0}};
	const char *headers[] = {"X-One: 1", NULL};
	struct asked a = {.r = {.headers = headers, .expect = "application/json"}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(ask(f, &a, "/x?y=%2F/../z"), 0);
	assert_string_equal(a.body, "{\"a\":1}");
	assert_int_equal(a.r.status, 200);
	assert_string_equal(a.r.why, "");
	assert_string_equal(scripted_at(f->server, 0)->line, "GET /x?y=%2F/../z");
	assert_non_null(strstr(scripted_at(f->server, 0)->head, "X-One: 1\r\n"));
	assert_null(strstr(scripted_at(f->server, 0)->head, "Expect:"));
}

static void maps_each_status_to_its_outcome(void **state)
{
	static const struct {
		const char *head;
		int result;
		int64_t retry_ms;
	} rows[] = {
		{"HTTP/1.1 401 No", PROVIDER_DENIED, 0},
		{"HTTP/1.1 403 No", PROVIDER_DENIED, 0},
		{"HTTP/1.1 404 No", PROVIDER_GONE, 0},
		{"HTTP/1.1 409 No", PROVIDER_BUSY, 0},
		{"HTTP/1.1 429 No\r\nRetry-After: 7", PROVIDER_THROTTLED, 7000},
		{"HTTP/1.1 429 No\r\nRetry-After: later", PROVIDER_THROTTLED, 0},
		{"HTTP/1.1 429 No\r\nRetry-After: 99999999999999999999", PROVIDER_THROTTLED,
		 86400000},
		{"HTTP/1.1 503 No\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT\r\n"
		 "Retry-After: Wed, 21 Oct 2026 07:28:30 GMT",
		 PROVIDER_BUSY, 30000},
		{"HTTP/1.1 500 No", PROVIDER_OFFLINE, 0},
		{"HTTP/1.1 502 No", PROVIDER_OFFLINE, 0},
		{"HTTP/1.1 400 No", PROVIDER_REFUSED, 0},
		{"HTTP/1.1 405 No", PROVIDER_REFUSED, 0},
		{"HTTP/1.1 501 No", PROVIDER_UNSUPPORTED, 0},
		{"HTTP/1.1 507 No", PROVIDER_REFUSED, 0},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct scripted_reply script[] = {{.head = rows[i].head, .body = "{\"m\":2}"},
						  {0}};
		struct asked a = {.r = {.expect = "application/json"}};

		serve(f, script);
		assert_int_equal(ask(f, &a, "/"), rows[i].result);
		assert_int_equal(a.r.retry_ms, rows[i].retry_ms);
		assert_string_equal(a.body, "{\"m\":2}");
		assert_true(a.r.why[0]);
		scripted_free(f->server);
		f->server = NULL;
	}
}

static void knows_a_web_page_and_a_wrong_type(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "GET /portal",
		 .head = "HTTP/1.1 200 OK\r\nContent-Type: text/html",
		 .body = "<html>log in</html>"},
		{.match = "GET /text",
		 .head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain",
		 .body = "[]"},
		{0}};
	struct asked a = {.r = {.expect = "application/json"}}, b = a, c = a;
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(ask(f, &a, "/portal"), PROVIDER_OFFLINE);
	assert_non_null(strstr(a.r.why, "web page"));
	assert_int_equal(ask(f, &b, "/text"), -EPROTO);
	c.r.expect = "application/json text/plain";
	assert_int_equal(ask(f, &c, "/text"), 0);
}

static void calls_a_broken_reply_offline(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "GET /short",
		 .head = OK_JSON,
		 .body = "{\"a\":1",
		 .length = 100,
		 .end = SCRIPTED_CLOSE},
		{.match = "GET /cut",
		 .head = OK_JSON,
		 .body = "{\"a\":1}",
		 .cut = 3,
		 .end = SCRIPTED_RESET},
		{.match = "GET /mute", .end = SCRIPTED_CLOSE},
		{.match = "GET /reset", .end = SCRIPTED_RESET},
		{.match = "GET /half", .body = "HTTP/1.1 200 O", .end = SCRIPTED_CLOSE},
		{.match = "GET /chunk",
		 .head = OK_JSON "\r\nTransfer-Encoding: chunked",
		 .body = "5\r\nhel",
		 .end = SCRIPTED_CLOSE},
		{0}};
	static const char *const paths[] = {"/short", "/cut",   "/mute",
					    "/reset", "/chunk", "/half"};
	struct fixture *f = *state;

	serve(f, script);
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct asked a = {.r = {.expect = "application/json"}};

		assert_int_equal(ask(f, &a, paths[i]), PROVIDER_OFFLINE);
		assert_true(a.r.sent);
		assert_true(a.r.why[0]);
	}
}

static void refuses_what_is_not_http(void **state)
{
	static const struct scripted_reply script[] = {
		{.body = "SSH-2.0-OpenSSH_9.2\r\n", .match = "GET ", .end = SCRIPTED_CLOSE},
		{0}};
	struct asked a = {0};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(ask(f, &a, "/"), -EPROTO);
}

static void bounds_an_endless_body(void **state)
{
	static const struct scripted_reply script[] = {{.match = "GET /good",
							.head = OK_JSON,
							.body = "[[[[[[[[",
							.length = -1,
							.end = SCRIPTED_ENDLESS},
						       {.match = "GET /bad",
							.head = "HTTP/1.1 500 No",
							.body = "oh no, ",
							.length = -1,
							.end = SCRIPTED_ENDLESS},
						       {0}};
	struct asked a = {.r = {.reply_limit = 100000}}, b = a;
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(ask(f, &a, "/good"), -E2BIG);
	assert_int_equal(ask(f, &b, "/bad"), PROVIDER_OFFLINE);
	assert_int_equal(b.r.status, 500);
	assert_true(b.n_body <= 100000);
}

static void bounds_endless_headers(void **state)
{
	struct scripted_reply script[] = {{.match = "GET ", .head = NULL}, {0}};
	struct asked a = {0};
	struct fixture *f = *state;

	script[0].body = "HTTP/1.1 103 Wait\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n";
	script[0].end = SCRIPTED_ENDLESS;
	serve(f, script);
	assert_int_equal(ask(f, &a, "/"), -E2BIG);
}

static void ends_a_black_hole_at_its_deadline(void **state)
{
	static const struct scripted_reply script[] = {{.match = "GET ", .end = SCRIPTED_HANG},
						       {0}};
	struct asked a = {.r = {.deadline_ms = 100}}, b = {.r = {.head_ms = 100}};
	struct fixture *f = *state;

	serve(f, script);
	start(f, &a, "/");
	start(f, &b, "/");
	assert_int_equal(finish(f, &a), -ETIMEDOUT);
	assert_int_equal(finish(f, &b), -ETIMEDOUT);
	assert_true(a.r.sent);
	assert_int_equal(http_running(f->http), 0);
}

static void ends_a_stalled_body_but_not_a_slow_one(void **state)
{
	static const struct scripted_reply script[] = {{.match = "GET /stall",
							.head = OK_JSON,
							.body = "[1",
							.length = 10,
							.end = SCRIPTED_HANG},
						       {.match = "GET /slow",
							.head = OK_JSON,
							.body = "[1,2,3,4,5]",
							.end = SCRIPTED_DRIP},
						       {0}};
	struct asked a = {.r = {.stall_ms = 150}}, b = {.r = {.stall_ms = 20000}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(ask(f, &a, "/stall"), -ETIMEDOUT);
	assert_int_equal(ask(f, &b, "/slow"), 0);
	assert_string_equal(b.body, "[1,2,3,4,5]");
}

static void calls_a_refused_connection_offline(void **state)
{
	static const struct scripted_reply script[] = {{.head = OK_JSON}, {0}};
	struct asked a = {0}, b = {0};
	struct fixture *f = *state;

	serve(f, script);
	(void)snprintf(a.url, sizeof(a.url), "http://127.0.0.1:%u/", scripted_port(f->server));
	a.r.url = a.url;
	scripted_free(f->server);
	f->server = NULL;
	assert_int_equal(ask(f, &a, NULL), PROVIDER_OFFLINE);
	assert_false(a.r.sent);
	b.r.url = "http://no-such-host.invalid/";
	assert_int_equal(ask(f, &b, NULL), PROVIDER_OFFLINE);
	assert_non_null(strstr(b.r.why, "no-such-host.invalid"));
}

static void does_not_follow_redirects(void **state)
{
	static const struct scripted_reply script[] = {
		{.head = "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/steal?q=secret"},
		{0}};
	const char *secrets[] = {"X-API-Key: e2b_canary_canary", NULL};
	struct asked a = {.r = {.secrets = secrets}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(ask(f, &a, "/"), PROVIDER_REFUSED);
	assert_int_equal(a.r.status, 307);
	assert_non_null(strstr(a.r.why, "redirects to 'http://127.0.0.1:1/steal'"));
	assert_int_equal(scripted_count(f->server), 1);
}

static void refuses_what_cannot_be_sent(void **state)
{
	static const char *const urls[] = {"ftp://127.0.0.1/", "http://u:p@127.0.0.1/",
					   "file:///etc/passwd", "no url", ""};
	const char *bad[] = {"X-A: b\r\nX-Evil: c", NULL};
	struct fixture *f = *state;
	struct asked a = {.r = {.method = "GET", .url = "http://127.0.0.1/", .headers = bad}};

	assert_int_equal(http_start(f->http, &a.r), PROVIDER_REFUSED);
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		struct asked b = {.r = {.method = "GET", .url = urls[i]}};

		assert_int_equal(http_start(f->http, &b.r), PROVIDER_REFUSED);
	}
	assert_int_equal(http_running(f->http), 0);
}

static void sends_bodies_from_memory(void **state)
{
	static const struct scripted_reply script[] = {{.head = "HTTP/1.1 204 OK"}, {0}};
	size_t len = 3 << 20;
	struct asked a = {.r = {.method = "PUT"}}, b = {.r = {.method = "POST"}};
	struct fixture *f = *state;
	char *big = malloc(len);

	assert_non_null(big);
	for (size_t i = 0; i < len; i++)
		big[i] = (char)(i * 31 >> 3);
	serve(f, script);
	a.r.body = big;
	a.r.body_len = len;
	assert_int_equal(ask(f, &a, "/put"), 0);
	assert_int_equal(ask(f, &b, "/empty"), 0);
	assert_int_equal(scripted_at(f->server, 0)->body_len, len);
	assert_memory_equal(scripted_at(f->server, 0)->body, big, len);
	assert_non_null(strstr(scripted_at(f->server, 1)->head, "Content-Length: 0\r\n"));
	free(big);
}

static ssize_t feed(struct http_request *r, void *data, size_t cap)
{
	struct asked *a = r->arg;

	if (a->paused_at == 0) {
		a->paused_at = 1;
		return -EAGAIN;
	}
	if (a->paused_at++ > 3)
		return 0;
	memcpy(data, "abc", 3);
	return 3;
}

static void streams_a_body_that_pauses(void **state)
{
	static const struct scripted_reply script[] = {{.head = "HTTP/1.1 204 OK"}, {0}};
	struct asked a = {.r = {.method = "POST", .on_send = feed, .body_size = -1}};
	struct fixture *f = *state;

	serve(f, script);
	start(f, &a, "/");
	while (a.paused_at == 0)
		assert_true(http_poll(f->http, NULL, 0, 1000) >= 0);
	assert_int_equal(http_poll(f->http, NULL, 0, 20), 0);
	http_resume(f->http, &a.r);
	assert_int_equal(finish(f, &a), 0);
	assert_string_equal(scripted_at(f->server, 0)->body, "abcabcabc");
	assert_non_null(strstr(scripted_at(f->server, 0)->head, "chunked"));
}

/* Takes the first 100 kB, then only after a resume. */
static int take(struct http_request *r, const void *data, size_t len)
{
	struct asked *a = r->arg;

	if (a->n_body > 100000 && !a->paused_at) {
		a->paused_at = a->n_body;
		return -EAGAIN;
	}
	for (size_t i = 0; i < len; i++)
		assert_int_equal(((const char *)data)[i], (char)((a->n_body + i) % 251));
	a->n_body += len;
	return 0;
}

static void streams_a_reply_with_back_pressure(void **state)
{
	struct scripted_reply script[] = {{.head = OK_BYTES, .body_len = 8 << 20}, {0}};
	struct asked a = {.r = {.on_body = take, .bulk = true, .stall_ms = 1500}};
	/* Static: the server's thread has nothing to say when it is done with it. */
	static char big[8 << 20];
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i % 251);
	script[0].body = big;
	serve(f, script);
	start(f, &a, "/");
	while (!a.paused_at)
		assert_true(http_poll(f->http, NULL, 0, 1000) >= 0);
	/* paused by us: nothing comes, and it is no stall */
	assert_int_equal(http_poll(f->http, NULL, 0, 2000), 0);
	assert_int_equal(a.n_body, a.paused_at);
	a.r.stall_ms = PATIENCE_MS;
	http_resume(f->http, &a.r);
	assert_int_equal(finish(f, &a), 0);
	assert_int_equal(a.n_body, script[0].body_len);
}

static int refuse(struct http_request *r, const void *data, size_t len)
{
	return -EFBIG;
}

static void a_callback_may_end_its_request(void **state)
{
	static const struct scripted_reply script[] = {{.head = OK_BYTES, .body = "x"}, {0}};
	struct asked a = {.r = {.on_body = refuse}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(ask(f, &a, "/"), -EFBIG);
}

static void an_error_is_kept_from_the_stream(void **state)
{
	static const struct scripted_reply script[] = {
		{.head = "HTTP/1.1 404 No", .body = "{\"message\":\"gone\"}"}, {0}};
	struct asked a = {.r = {.on_body = refuse}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(ask(f, &a, "/"), PROVIDER_GONE);
}

static void a_bulk_reply_must_show_its_end(void **state)
{
	static const struct scripted_reply script[] = {
		{.head = OK_BYTES, .body = "half of it", .length = -1, .end = SCRIPTED_CLOSE},
		{0}};
	struct asked a = {.r = {.bulk = true}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(ask(f, &a, "/"), PROVIDER_OFFLINE);
	assert_non_null(strstr(a.r.why, "cut"));
}

static void cancels_at_once_and_silently(void **state)
{
	static const struct scripted_reply script[] = {{.match = "GET ", .end = SCRIPTED_HANG},
						       {0}};
	struct asked a = {0}, b = {0};
	struct fixture *f = *state;

	serve(f, script);
	start(f, &a, "/");
	start(f, &b, "/");
	http_cancel(f->http, &b.r); /* before it was ever sent */
	while (scripted_count(f->server) == 0)
		assert_true(http_poll(f->http, NULL, 0, 10) >= 0);
	http_cancel(f->http, &a.r);
	assert_int_equal(a.n_done, 0);
	assert_int_equal(finish(f, &a), -ECANCELED);
	assert_int_equal(b.result, -ECANCELED);
	assert_int_equal(http_running(f->http), 0);
}

static void never_sends_a_post_twice(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "GET /", .head = OK_JSON, .body = "1", .uses = 1},
		{.match = "GET /", .head = OK_JSON, .body = "2"},
		{.match = "POST /", .end = SCRIPTED_CLOSE},
		{0}};
	struct asked a = {0}, b = {.r = {.method = "POST", .body = "{}", .body_len = 2}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(ask(f, &a, "/warm"), 0);
	/* on the kept connection, which dies once the request has come */
	assert_int_equal(ask(f, &b, "/create"), PROVIDER_OFFLINE);
	assert_true(b.r.sent);
	assert_int_equal(scripted_count(f->server), 2);
	assert_int_equal(scripted_at(f->server, 1)->connection, 0);
}

static void keeps_connections(void **state)
{
	static const struct scripted_reply script[] = {{.head = OK_JSON, .body = "1"}, {0}};
	struct fixture *f = *state;

	serve(f, script);
	for (int i = 0; i < 20; i++) {
		struct asked a = {0};

		assert_int_equal(ask(f, &a, "/"), 0);
	}
	assert_int_equal(scripted_at(f->server, 19)->connection, 0);
}

static void runs_a_thousand_at_once_on_a_few_connections(void **state)
{
	static const struct scripted_reply script[] = {{.head = OK_JSON, .body = "{\"n\":1}"},
						       {0}};
	enum { MANY = 1000, FEW = 16 };
	struct http_config config = {.proxy = "", .max_per_host = FEW};
	struct asked *many = alloc_array(MANY, sizeof(*many));
	struct fixture *f = *state;

	http_free(f->http);
	assert_int_equal(http_new(&config, &f->http), 0);
	serve(f, script);
	for (size_t i = 0; i < MANY; i++)
		start(f, &many[i], "/");
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(finish(f, &many[i]), 0);
		assert_string_equal(many[i].body, "{\"n\":1}");
	}
	for (size_t i = 0; i < MANY; i++)
		assert_true(scripted_at(f->server, i)->connection < FEW);
	free(many);
}

static void a_waiting_request_also_has_its_deadline(void **state)
{
	static const struct scripted_reply script[] = {{.match = "GET ", .end = SCRIPTED_HANG},
						       {0}};
	struct http_config config = {.proxy = "", .max_per_host = 1};
	struct asked a = {0}, b = {.r = {.deadline_ms = 100}};
	struct fixture *f = *state;

	http_free(f->http);
	assert_int_equal(http_new(&config, &f->http), 0);
	serve(f, script);
	start(f, &a, "/");
	start(f, &b, "/");
	assert_int_equal(finish(f, &b), -ETIMEDOUT);
	assert_false(b.r.sent);
	assert_int_equal(a.n_done, 0);
}

static void wakes_for_the_callers_descriptors_and_the_bell(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(http_poll(f->http, fds, 1, PATIENCE_MS * 10), 0);
	http_wake(f->http);
	assert_int_equal(http_poll(f->http, NULL, 0, PATIENCE_MS * 10), 0);
	assert_int_equal(http_wait_ms(f->http), -1);
	close(fds[0]);
	close(fds[1]);
}

/* A clock that moves with every look at it. */
static int64_t hasty_now(void *arg)
{
	return ++*(int64_t *)arg;
}

/* However many milliseconds too late it notices: one too many was once taken for "for ever". */
static void a_late_poll_still_returns(void **state)
{
	int64_t now = 0;
	struct clock hasty = {.now = hasty_now, .arg = &now};
	struct http_config config = {.proxy = "", .clock = &hasty};
	struct fixture *f = *state;

	http_free(f->http);
	assert_int_equal(http_new(&config, &f->http), 0);
	for (int wait_ms = 1; wait_ms < 30; wait_ms++)
		assert_int_equal(http_poll(f->http, NULL, 0, wait_ms), 0);
}

static void hides_secrets_in_words(void **state)
{
	char text[] = "bad key e2b_0123456789/ and Bearer e2b_0123456789%2F; Bearer only";
	struct fixture *f = *state;

	http_outcome_hide(text, "Authorization: Bearer e2b_0123456789/");
	assert_null(strstr(text, "0123456789"));
	assert_non_null(strstr(text, "Bearer only"));
	(void)f;
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(gets_a_reply_and_its_headers),
		T(maps_each_status_to_its_outcome),
		T(knows_a_web_page_and_a_wrong_type),
		T(calls_a_broken_reply_offline),
		T(refuses_what_is_not_http),
		T(bounds_an_endless_body),
		T(bounds_endless_headers),
		T(ends_a_black_hole_at_its_deadline),
		T(ends_a_stalled_body_but_not_a_slow_one),
		T(calls_a_refused_connection_offline),
		T(does_not_follow_redirects),
		T(refuses_what_cannot_be_sent),
		T(sends_bodies_from_memory),
		T(streams_a_body_that_pauses),
		T(streams_a_reply_with_back_pressure),
		T(a_callback_may_end_its_request),
		T(an_error_is_kept_from_the_stream),
		T(a_bulk_reply_must_show_its_end),
		T(cancels_at_once_and_silently),
		T(never_sends_a_post_twice),
		T(keeps_connections),
		T(runs_a_thousand_at_once_on_a_few_connections),
		T(a_waiting_request_also_has_its_deadline),
		T(wakes_for_the_callers_descriptors_and_the_bell),
		T(a_late_poll_still_returns),
		T(hides_secrets_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
