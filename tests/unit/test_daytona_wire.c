/* Daytona's traps, with the bytes as they are on the wire: answers that are lost, lie, or mean something else than their
 * status says. What the verbs do when all is well is tests/sandbox/test_daytona.c and tests/provider/. */
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
#include "base/clock.h"
#include "base/log.h"
#include "provider/provider.h"
#include "tests/peers/scripted.h"

#define JSON        "HTTP/1.1 200 OK\r\nContent-Type: application/json"
#define FAILS(code) "HTTP/1.1 " code " No\r\nContent-Type: application/json"
#define ID          "0b6e5c9a-0000-4000-8000-000000000001"
#define KEY         "dtn_canary0123456789canary"
#define BOX(state)  "{\"id\":\"" ID "\",\"state\":\"" state "\",\"labels\":{\"fragfs\":\"1\"}}"
#define SEEN(state)                                                                            \
	{                                                                                      \
		.match = "GET /api/sandbox/" ID, .head = JSON, .body = BOX(state)              \
	}

enum { PATIENCE_MS = 30000 };

struct fixture {
	struct provider *p;
	struct scripted *server;
	struct provider_call c;
	struct provider_sandbox box;
	struct buf words; /* everything the provider said to people */
	int result, n_done;
};

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));

	log_open(-1, LOG_LEVEL_ERR, false);
	buf_init(&f->words, 1 << 20);
	log_capture(&f->words);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	log_capture(NULL);
	provider_free(f->p);
	scripted_free(f->server);
	assert_null(strstr(f->words.data, "canary"));
	buf_deinit(&f->words);
	free(f);
	return 0;
}

static void serve(struct fixture *f, const struct scripted_reply *script)
{
	struct provider_daytona_config config = {.api_key = KEY, .proxy = ""};
	CLEANUP(free_p) char *api = NULL, *toolbox = NULL;

	f->server = scripted_new(script);
	config.api_url = api = alloc_fmt("http://127.0.0.1:%u/api", scripted_port(f->server));
	config.toolbox_url = toolbox =
		alloc_fmt("http://127.0.0.1:%u/toolbox/", scripted_port(f->server));
	assert_int_equal(provider_daytona_new(&config, &f->p), 0);
}

static void ended(struct provider_call *c, int result)
{
	struct fixture *f = c->arg;

	f->result = result;
	f->n_done++;
}

static struct provider_call *call(struct fixture *f)
{
	f->c = (struct provider_call){.done = ended, .arg = f, .deadline_ms = PATIENCE_MS};
	f->n_done = 0;
	return &f->c;
}

static int finish(struct fixture *f, int started)
{
	while (!started && !f->n_done)
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
	assert_null(strstr(f->c.why, "canary"));
	return started ? started : f->result;
}

static int get(struct fixture *f)
{
	return finish(f, provider_get(f->p, ID, &f->box, call(f)));
}

static int create(struct fixture *f)
{
	struct provider_spec spec = {.label = "demo"};

	return finish(f, provider_create(f->p, &spec, &f->box, call(f)));
}

static int run(struct fixture *f)
{
	struct provider_exec x = {.shell = "true"};

	return finish(f, provider_exec(f->p, ID, &x, call(f)));
}

static size_t count(struct fixture *f, const char *match)
{
	size_t n = 0;

	for (size_t i = 0; i < scripted_count(f->server); i++)
		n += strncmp(scripted_at(f->server, i)->line, match, strlen(match)) == 0;
	return n;
}

static void sends_its_headers_and_no_organization_with_a_key(void **state)
{
	static const struct scripted_reply script[] = {SEEN("started"), {0}};
	struct fixture *f = *state;
	const char *head;

	serve(f, script);
	assert_int_equal(get(f), 0);
	head = scripted_at(f->server, 0)->head;
	assert_non_null(strstr(head, "Authorization: Bearer " KEY "\r\n"));
	assert_non_null(strstr(head, "X-Daytona-Source: fragfs\r\n"));
	assert_non_null(strstr(head, "X-Daytona-SDK-Version: "));
	assert_null(strstr(head, "X-Daytona-Organization-ID"));
}

static void needs_credentials_that_can_be_any(void **state)
{
	const struct provider_daytona_config bad[] = {
		{0},
		{.api_key = ""},
		{.api_key = "a\r\nX: y"},
		{.jwt = "j"},
		{.jwt = "j", .organization = "a b"},
	};
	struct provider *p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(provider_daytona_new(&bad[i], &p), PROVIDER_DENIED);
	assert_int_equal(
		provider_daytona_new(
			&(struct provider_daytona_config){.jwt = "j", .organization = "org"},
			&p),
		0);
	provider_free(p);
}

static void a_wrong_base_is_not_success(void **state)
{
	static const struct scripted_reply script[] = {
		{.head = "HTTP/1.1 200 OK\r\nContent-Type: text/html", .body = "<html>"}, {0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(get(f), PROVIDER_OFFLINE);
}

static void refuses_another_sandbox_than_the_one_asked_for(void **state)
{
	static const struct scripted_reply script[] = {
		{.head = JSON, .body = "{\"id\":\"other\",\"state\":\"started\"}"}, {0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(get(f), -EPROTO);
}

static void an_echoed_key_is_not_shown(void **state)
{
	static const struct scripted_reply script[] = {
		{.head = FAILS("401"), .body = "{\"message\":\"bad key " KEY "\"}"}, {0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(get(f), PROVIDER_DENIED);
	assert_non_null(strstr(f->c.why, "bad key"));
	assert_true(f->c.untouched);
}

static void a_limit_says_when_to_come_back(void **state)
{
	static const struct scripted_reply script[] = {
		{.head = FAILS("429") "\r\nRetry-After-Sandbox-Create: 7"}, {0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(create(f), PROVIDER_THROTTLED);
	assert_int_equal(f->c.retry_ms, 7000);
	assert_true(f->c.untouched);
}

static void a_quota_and_a_missing_snapshot_are_told_apart(void **state)
{
	static const struct scripted_reply script[] = {
		{.head = FAILS("400"),
		 .body = "{\"message\":\"Total CPU quota exceeded\"}",
		 .uses = 1},
		{.head = FAILS("404"), .body = "{\"message\":\"Snapshot x not found\"}"},
		{0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(create(f), PROVIDER_DENIED);
	assert_int_equal(create(f), PROVIDER_REFUSED);
	assert_string_equal(f->c.why, "Snapshot x not found");
}

static void a_lost_create_is_looked_for_and_not_repeated(void **state)
{
	/* looked for by its name, since the reply never came */
	static const struct scripted_reply script[] = {
		{.match = "POST /api/sandbox", .end = SCRIPTED_CLOSE},
		{.match = "GET /api/sandbox/frag-", .head = FAILS("404"), .body = "{}"},
		{0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(create(f), PROVIDER_OFFLINE);
	assert_true(f->c.untouched);
	assert_int_equal(count(f, "POST /api/sandbox"), 1);
	assert_int_equal(count(f, "GET /api/sandbox/frag-"), 1);
}

static void start_bears_a_half_switch(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "GET /api/sandbox/" ID,
		 .head = JSON,
		 .body = BOX("stopped"),
		 .uses = 1},
		{.match = "POST /api/sandbox/" ID "/start",
		 .head = FAILS("409"),
		 .body = "{\"message\":\"Sandbox state change in progress\"}",
		 .uses = 1},
		{.match = "GET /api/sandbox/" ID,
		 .head = JSON,
		 .body = BOX("stopping"),
		 .uses = 1},
		{.match = "GET /api/sandbox/" ID, .head = "HTTP/1.1 502 Bad", .uses = 1},
		{.match = "GET /api/sandbox/" ID,
		 .head = JSON,
		 .body = BOX("archived"),
		 .uses = 1},
		{.match = "POST /api/sandbox/" ID "/start",
		 .head = JSON,
		 .body = BOX("restoring")},
		{.match = "GET /api/sandbox/" ID,
		 .head = JSON,
		 .body = BOX("restoring"),
		 .uses = 1},
		SEEN("started"),
		{0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(finish(f, provider_start(f->p, ID, call(f))), 0);
	assert_int_equal(count(f, "POST /api/sandbox/" ID "/start"), 2);
}

static void a_failed_sandbox_says_why(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "GET /api/sandbox/" ID,
		 .head = JSON,
		 .body = "{\"id\":\"" ID
			 "\",\"state\":\"error\",\"errorReason\":\"disk full\"}"},
		{0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(finish(f, provider_start(f->p, ID, call(f))), PROVIDER_REFUSED);
	assert_string_equal(f->c.why, "disk full");
}

static void pausing_a_container_is_not_supported(void **state)
{
	static const struct scripted_reply script[] = {
		SEEN("started"),
		{.match = "POST /api/sandbox/" ID "/pause", .head = FAILS("422"), .body = "{}"},
		{0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(finish(f, provider_pause(f->p, ID, call(f))), PROVIDER_UNSUPPORTED);
}

static void only_the_api_says_what_became_of_it(void **state)
{
	static const struct {
		const char *head, *body, *state;
		int result;
	} rows[] = {
		{"HTTP/1.1 502 Bad Gateway", NULL, "stopped", PROVIDER_ASLEEP},
		{FAILS("400"),
		 "{\"message\":\"bad request: no IP address found. Is the Sandbox started?\"}",
		 "archived", PROVIDER_ASLEEP},
		{FAILS("404"), "{\"message\":\"sandbox container not found\"}", "destroyed",
		 PROVIDER_GONE},
		{"HTTP/1.1 502 Bad Gateway", NULL, "starting", PROVIDER_BUSY},
		{"HTTP/1.1 404 No", "404 page not found", "started", PROVIDER_UNSUPPORTED},
		{FAILS("408"), "{\"code\":\"REQUEST_TIMEOUT\",\"message\":\"late\"}", "started",
		 -ETIMEDOUT},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CLEANUP(free_p)
		char *box = alloc_fmt("{\"id\":\"" ID "\",\"state\":\"%s\"}", rows[i].state);
		struct scripted_reply script[] = {
			{.match = "GET /api/sandbox/" ID,
			 .head = JSON,
			 .body = BOX("started"),
			 .uses = 1},
			{.match = "POST /toolbox/" ID "/process/execute",
			 .head = rows[i].head,
			 .body = rows[i].body},
			{.match = "GET /api/sandbox/" ID, .head = JSON, .body = box},
			{0}};

		serve(f, script);
		assert_int_equal(run(f), rows[i].result);
		provider_free(f->p);
		scripted_free(f->server);
		f->p = NULL;
		f->server = NULL;
	}
}

static void what_got_lost_is_sent_again_the_same(void **state)
{
	static const struct scripted_reply script[] = {
		SEEN("started"),
		{.match = "POST /toolbox/", .end = SCRIPTED_CLOSE, .uses = 2},
		{.match = "POST /toolbox/",
		 .head = JSON,
		 .body = "{\"exitCode\":0,\"result\":\"sh: base64: not found\"}"},
		{0}};
	struct fixture *f = *state;
	const char *first = NULL;
	size_t n = 0;

	serve(f, script);
	assert_int_equal(run(f), PROVIDER_REFUSED);
	assert_string_equal(f->c.why, "sh: base64: not found");
	for (size_t i = 0; i < scripted_count(f->server) && n < 3; i++) {
		const struct scripted_request *r = scripted_at(f->server, i);

		if (strncmp(r->line, "POST /toolbox/", 14) != 0)
			continue;
		if (!first)
			first = r->body;
		assert_string_equal(r->body, first); /* the same job */
		n++;
	}
	assert_int_equal(n, 3);
}

static void an_upload_that_is_not_confirmed_is_no_file(void **state)
{
	static const struct scripted_reply script[] = {
		SEEN("started"),
		{.match = "POST /toolbox/" ID "/files/bulk-upload",
		 .head = FAILS("400"),
		 .body = "{\"errors\":[\"mkdir /x: permission denied\"],\"files\":null}",
		 .uses = 1},
		{.match = "POST /toolbox/" ID "/files/bulk-upload",
		 .head = JSON,
		 .body = "{\"files\":[{\"path\":\"/elsewhere\",\"bytes\":1}]}"},
		{.match = "POST /toolbox/",
		 .head = JSON,
		 .body = "{\"exitCode\":0,\"result\":\"\"}"},
		{0}};
	struct provider_file file = {.path = "/x/y", .data = "z", .len = 1};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(finish(f, provider_put(f->p, ID, &file, call(f))), PROVIDER_REFUSED);
	assert_string_equal(f->c.why, "mkdir /x: permission denied");
	assert_int_equal(finish(f, provider_put(f->p, ID, &file, call(f))), -EPROTO);
}

static void a_short_download_is_no_file(void **state)
{
	static const struct scripted_reply script[] = {
		SEEN("started"),
		{.match = "GET /toolbox/" ID "/files/info",
		 .head = JSON,
		 .body = "{\"mode\":\"-rw-r--r--\",\"size\":100,\"permissions\":\"0644\"}"},
		{.match = "GET /toolbox/" ID "/files/download",
		 .head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream",
		 .body = "short",
		 .length = 100,
		 .end = SCRIPTED_CLOSE,
		 .uses = 1},
		{.match = "GET /toolbox/" ID "/files/download",
		 .head = "HTTP/1.1 200 OK\r\nContent-Type: text/html",
		 .body = "<html>log in</html>"},
		{0}};
	struct provider_sink to = {.path = "/x"};
	struct fixture *f = *state;
	struct buf into;

	serve(f, script);
	buf_init(&into, 4096);
	to.into = &into;
	assert_int_equal(finish(f, provider_fetch(f->p, ID, &to, call(f))), PROVIDER_OFFLINE);
	buf_clear(&into);
	assert_int_equal(finish(f, provider_fetch(f->p, ID, &to, call(f))), PROVIDER_OFFLINE);
	assert_int_equal(into.len, 0);
	buf_deinit(&into);
}

static void a_cursor_that_stands_still_ends_the_list(void **state)
{
	static const struct scripted_reply script[] = {
		{.head = JSON, .body = "{\"items\":[],\"nextCursor\":\"same+/=\"}"}, {0}};
	struct provider_page page = {.after = "same+/="};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(finish(f, provider_list(f->p, &page, call(f))), -EPROTO);
	assert_non_null(strstr(scripted_at(f->server, 0)->line, "cursor=same%2B/%3D"));
	assert_non_null(strstr(scripted_at(f->server, 0)->line, "labels=%7B%22fragfs%22"));
}

static void deleting_bears_a_change_and_a_second_time(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "DELETE", .head = FAILS("409"), .body = "{}", .uses = 1},
		{.match = "DELETE", .head = "HTTP/1.1 502 Bad", .uses = 1},
		{.match = "DELETE", .head = FAILS("404"), .body = "{}"},
		{0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(finish(f, provider_delete(f->p, ID, call(f))), 0);
	assert_int_equal(count(f, "DELETE /api/sandbox/" ID), 3);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(sends_its_headers_and_no_organization_with_a_key),
		T(needs_credentials_that_can_be_any),
		T(a_wrong_base_is_not_success),
		T(refuses_another_sandbox_than_the_one_asked_for),
		T(an_echoed_key_is_not_shown),
		T(a_limit_says_when_to_come_back),
		T(a_quota_and_a_missing_snapshot_are_told_apart),
		T(a_lost_create_is_looked_for_and_not_repeated),
		T(start_bears_a_half_switch),
		T(a_failed_sandbox_says_why),
		T(pausing_a_container_is_not_supported),
		T(only_the_api_says_what_became_of_it),
		T(what_got_lost_is_sent_again_the_same),
		T(an_upload_that_is_not_confirmed_is_no_file),
		T(a_short_download_is_no_file),
		T(a_cursor_that_stands_still_ends_the_list),
		T(deleting_bears_a_change_and_a_second_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
