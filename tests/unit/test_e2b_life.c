/* Sandboxes come, sleep, wake, go and are listed: what the E2B provider sends to the API, and what it makes of each trap the
 * vendor's servers are known for. */
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

static void creates_with_its_mark_and_knows_how_to_reach_it(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "POST /v2/sandboxes", .head = MADE, .body = SANDBOX("0.6.13")},
		{.match = "POST /process",
		 .head = STREAM,
		 BYTES(START_FRAME USER_FRAME ZERO_FRAME DONE_FRAME)},
		{0}};
	const char *env[] = {"A=1", "B=x=y\n", NULL}, *labels[] = {"team=a b", NULL};
	struct provider_spec spec = {
		.label = "demo", .labels = labels, .env = env, .idle_seconds = 600};
	struct provider_sandbox s;
	struct provider_exec x = {0};
	struct fixture *f = *state;
	const struct scripted_request *r;

	serve(f, script);
	assert_int_equal(settle(f, provider_create(f->p, &spec, &s, call(f))), 0);
	assert_string_equal(s.id, ID);
	assert_string_equal(s.label, "demo");
	assert_string_equal(provider_label(&s, "team"), "a b");
	assert_true(has(scripted_at(f->server, 0)->body, "\"team\":\"a b\""));
	spec.memory_bytes = 1 << 20; /* which cannot be had */
	assert_int_equal(provider_create(f->p, &spec, &s, call(f)), PROVIDER_REFUSED);
	r = scripted_at(f->server, 0);
	assert_true(has(r->head, "X-API-Key: " KEY "\r\n"));
	assert_true(has(r->body, "\"templateID\":\"base\",\"timeout\":600,\"autoPause\":true,"
				 "\"allow_internet_access\":false"));
	assert_true(has(r->body, "\"fragfs\":\"1\""));
	assert_true(has(r->body, "\"label\":\"demo\""));
	assert_true(has(r->body, "\"envVars\":{\"A\":\"1\",\"B\":\"x=y\\u000a\"}"));
	assert_false(has(r->body, "secure"));
	assert_int_equal(run(f, &x), 0);
	assert_int_equal(scripted_count(f->server), 2);
	assert_true(has(scripted_at(f->server, 1)->head, "X-Access-Token: " TOKEN "\r\n"));
	assert_false(has(scripted_at(f->server, 1)->head, KEY));
}

static void creates_the_old_way_where_there_is_no_new_one(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "POST /v2/sandboxes", .head = "HTTP/1.1 405 Method Not Allowed"},
		{.match = "POST /sandboxes", .head = MADE, .body = SANDBOX("0.4.0")},
		{0}};
	struct provider_spec spec = {0};
	struct provider_sandbox s;
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_create(f->p, &spec, &s, call(f))), 0);
	assert_int_equal(settle(f, provider_create(f->p, &spec, &s, call(f))), 0);
	assert_int_equal(scripted_count(f->server), 3); /* and remembers it */
	assert_true(has(body_of(f, "POST /sandboxes"), "\"secure\":true"));
	assert_true(has(body_of(f, "POST /sandboxes"), "\"timeout\":3600"));
}

static void does_not_take_a_missing_template_for_a_missing_path(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "POST /v2/sandboxes",
		 .head = ERROR("404"),
		 .body = "{\"code\":404,\"message\":\"template 'x' not found\"}"},
		{0}};
	struct provider_spec spec = {.image = "x"};
	struct provider_sandbox s;
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_create(f->p, &spec, &s, call(f))),
			 PROVIDER_REFUSED);
	assert_string_equal(f->c.why, "template 'x' not found");
	assert_int_equal(scripted_count(f->server), 1);
}

static void finds_a_sandbox_whose_creation_was_not_answered(void **state)
{
	char list[600] = "[]";
	struct scripted_reply script[] = {
		{.match = "POST /v2/sandboxes", .end = SCRIPTED_RESET},
		{.match = "GET /v2/sandboxes?metadata=fragfsCall%3D",
		 .head = JSON,
		 .body = list},
		KNOWN,
		{0}};
	struct provider_spec spec = {.label = "demo"};
	struct provider_sandbox s;
	struct fixture *f = *state;
	const char *nonce;

	serve(f, script);
	assert_int_equal(provider_create(f->p, &spec, &s, call(f)), 0);
	while (scripted_count(f->server) == 0)
		assert_int_equal(provider_poll(f->p, NULL, 0, 1), 0);
	nonce = strstr(scripted_at(f->server, 0)->body, "\"fragfsCall\":\"") + 14;
	(void)snprintf(list, sizeof(list),
		       "[{\"sandboxID\":\"" ID "\",\"state\":\"running\",\"metadata\":"
		       "{\"fragfs\":\"1\",\"fragfsCall\":\"%.32s\"}}]",
		       nonce);
	assert_int_equal(settle(f, 0), 0);
	assert_string_equal(s.id, ID);
	assert_non_null(strstr(scripted_at(f->server, 1)->line, "%3D"));
	assert_int_equal(scripted_count(f->server), 3);
}

static void never_creates_twice(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "POST /v2/sandboxes", .end = SCRIPTED_RESET},
		{.match = "GET /v2/sandboxes",
		 .head = JSON,
		 .body = "[{\"sandboxID\":\"iother\"}]"},
		{0}};
	struct provider_spec spec = {0};
	struct provider_sandbox s;
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_create(f->p, &spec, &s, call(f))),
			 PROVIDER_OFFLINE);
	assert_int_equal(scripted_count(f->server), 2);
}

static void refuses_another_sandbox_than_the_one_asked_for(void **state)
{
	static const struct scripted_reply script[] = {KNOWN, {0}};
	struct provider_sandbox s;
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_get(f->p, ID, &s, call(f))), 0);
	assert_int_equal(s.state, PROVIDER_RUNNING);
	assert_int_equal(s.expires - s.created, 3600);
	assert_string_equal(s.label, "demo");
	assert_int_equal(provider_get(f->p, "../../v2", &s, call(f)), PROVIDER_GONE);
	scripted_free(f->server);
	provider_free(f->p);
	{
		static const struct scripted_reply lie[] = {{.match = "GET /sandboxes/ibbb",
							     .head = JSON,
							     .body = SANDBOX("0.6.13")},
							    {0}};

		serve(f, lie);
		assert_int_equal(settle(f, provider_get(f->p, "ibbb", &s, call(f))), -EPROTO);
	}
}

struct seen {
	int n;
	char ids[8][PROVIDER_ID_MAX];
};

static int see(const struct provider_sandbox *s, void *arg)
{
	struct seen *seen = arg;

	(void)snprintf(seen->ids[seen->n++], PROVIDER_ID_MAX, "%s", s->id);
	return 0;
}

static void lists_all_pages_of_its_own(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "GET /v2/sandboxes?metadata=fragfs%3D1&limit=100&nextToken=a%2Bb%3D",
		 .head = JSON,
		 .body = "[{\"sandboxID\":\"i3-6532622b\",\"state\":\"paused\",\"metadata\":"
			 "{\"fragfs\":\"1\"}}]"},
		{.match = "GET /v2/sandboxes?metadata=fragfs%3D1&limit=100",
		 .head = JSON "\r\nX-Next-Token: a+b=",
		 .body = "[{\"sandboxID\":\"i1\",\"state\":\"running\",\"metadata\":{"
			 "\"fragfs\":\"1\"}},"
			 "{\"sandboxID\":\"i2\",\"state\":\"running\",\"metadata\":{}},"
			 "{\"sandboxID\":\"i2\",\"state\":\"running\"}]"},
		{0}};
	struct seen seen = {0};
	struct provider_page page = {.fn = see, .arg = &seen}, next = page;
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_list(f->p, &page, call(f))), 0);
	assert_int_equal(seen.n, 1);
	assert_string_equal(page.next, "a+b=");
	next.after = page.next;
	assert_int_equal(settle(f, provider_list(f->p, &next, call(f))), 0);
	assert_string_equal(next.next, "");
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.ids[0], "i1");
	assert_string_equal(seen.ids[1], "i3");
}

static void ends_a_list_that_does_not(void **state)
{
	static const struct scripted_reply script[] = {{.match = "GET /v2/sandboxes",
							.head = JSON "\r\nX-Next-Token: again",
							.body = "[]"},
						       {0}};
	struct seen seen = {0};
	struct provider_page page = {.fn = see, .arg = &seen}, next = page;
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_list(f->p, &page, call(f))), 0);
	next.after = page.next;
	assert_int_equal(settle(f, provider_list(f->p, &next, call(f))), -EPROTO);
	assert_int_equal(scripted_count(f->server), 2);
}

static void tells_the_conflicts_of_pause_apart(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "POST /sandboxes/" ID "/pause",
		 .head = "HTTP/1.1 204 No Content",
		 .uses = 2},
		{.match = "POST /sandboxes/" ID "/pause",
		 .head = ERROR("409"),
		 .body = "{\"code\":409,\"message\":\"already\"}"},
		{.match = "GET /sandboxes/" ID, .head = JSON, .body = PAUSED, .uses = 1},
		KNOWN,
		{0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_pause(f->p, ID, call(f))), 0);
	assert_string_equal(body_of(f, "POST"), "{}");
	assert_int_equal(settle(f, provider_stop(f->p, ID, call(f))), 0);
	assert_string_equal(body_of(f, "POST"), "{\"memory\":false}");
	assert_int_equal(settle(f, provider_pause(f->p, ID, call(f))), 0);
	assert_int_equal(settle(f, provider_pause(f->p, ID, call(f))), PROVIDER_BUSY);
}

static void resumes_with_a_lifetime_and_learns_the_new_token(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "POST /v2/sandboxes/" ID "/connect",
		 .head = "HTTP/1.1 404 Not Found",
		 .body = "404 page not found"},
		{.match = "POST /sandboxes/" ID "/connect",
		 .head = MADE,
		 .body = SANDBOX("0.6.13")},
		{.match = "POST /sandboxes/igone/connect",
		 .head = ERROR("404"),
		 .body = "{\"code\":404,\"message\":\"Sandbox \\\"igone\\\" doesn't exist or "
			 "you don't have access "
			 "to it\"}"},
		{.match = "POST /process",
		 .head = STREAM,
		 BYTES(START_FRAME ZERO_FRAME DONE_FRAME)},
		{0}};
	struct provider_exec x = {0};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_resume(f->p, ID, call(f))), 0);
	assert_string_equal(body_of(f, "POST /sandboxes"), "{\"timeout\":3600}");
	assert_int_equal(run(f, &x), 0);
	assert_int_equal(settle(f, provider_start(f->p, "igone", call(f))), PROVIDER_GONE);
	assert_true(has(f->c.why, "doesn't exist"));
}

static void deletes_what_is_gone_and_keeps_alive_what_runs(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "DELETE /sandboxes/" ID,
		 .head = "HTTP/1.1 204 No Content",
		 .uses = 1},
		{.match = "DELETE /sandboxes/" ID,
		 .head = ERROR("404"),
		 .body = "{\"code\":404}"},
		{.match = "POST /sandboxes/" ID "/timeout",
		 .head = "HTTP/1.1 204 No Content",
		 .uses = 1},
		{.match = "POST /sandboxes/" ID "/timeout",
		 .head = ERROR("409"),
		 .body = "{\"code\":409}"},
		{0}};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_delete(f->p, ID, call(f))), 0);
	assert_int_equal(settle(f, provider_delete(f->p, ID, call(f))), 0);
	assert_int_equal(settle(f, provider_keep_alive(f->p, ID, 120, call(f))), 0);
	assert_string_equal(body_of(f, "POST"), "{\"timeout\":120}");
	assert_int_equal(settle(f, provider_keep_alive(f->p, ID, 120, call(f))),
			 PROVIDER_ASLEEP);
}

static void passes_on_when_to_come_back_and_hides_an_echoed_key(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "DELETE",
		 .head = ERROR("429") "\r\nRetry-After: 3",
		 .body = "{\"code\":429,\"message\":\"slow down\"}"},
		{.match = "GET",
		 .head = ERROR("401"),
		 .body = "{\"code\":401,\"message\":\"Invalid API key " KEY "\"}"},
		{0}};
	struct provider_sandbox s;
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(settle(f, provider_delete(f->p, ID, call(f))), PROVIDER_THROTTLED);
	assert_int_equal(f->c.retry_ms, 3000);
	assert_string_equal(f->c.why, "slow down");
	assert_int_equal(settle(f, provider_get(f->p, ID, &s, call(f))), PROVIDER_DENIED);
	assert_true(has(f->c.why, "Invalid API key ***"));
}

static void gives_addresses_where_there_are_host_names(void **state)
{
	struct provider_e2b_config config = {.api_key = KEY,
					     .domain = "example.test",
					     .api_url = "http://127.0.0.1:1",
					     .proxy = ""};
	static const struct scripted_reply script[] = {
		{.match = "GET /sandboxes/" ID,
		 .head = JSON,
		 .body = "{\"sandboxID\":\"" ID
			 "\",\"domain\":\"byoc.test\",\"state\":\"running\"}"},
		{0}};
	struct provider_preview preview = {.port = 3000};
	char api[64];
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(provider_url(f->p, ID, &preview, call(f)), PROVIDER_UNSUPPORTED);
	assert_false(provider_can(f->p, PROVIDER_CAP_PREVIEW));
	provider_free(f->p);
	(void)snprintf(api, sizeof(api), "http://127.0.0.1:%u", scripted_port(f->server));
	config.api_url = api;
	assert_int_equal(provider_e2b_new(&config, &f->p), 0);
	for (int i = 0; i < 2; i++) { /* asked, then known */
		assert_int_equal(settle(f, provider_url(f->p, ID, &preview, call(f))), 0);
		assert_string_equal(preview.url, "https://3000-" ID ".byoc.test/");
	}
	assert_int_equal(scripted_count(f->server), 1);
}

static void refuses_a_domain_that_is_none(void **state)
{
	static const struct scripted_reply script[] = {
		{.match = "GET /sandboxes/" ID,
		 .head = JSON,
		 .body = "{\"sandboxID\":\"" ID
			 "\",\"domain\":\"evil.test/x\",\"state\":\"running\"}"},
		{0}};
	struct provider_exec x = {0};
	struct fixture *f = *state;

	serve(f, script);
	assert_int_equal(run(f, &x), -EPROTO);
}

static void wants_a_key_that_can_be_one(void **state)
{
	struct provider_e2b_config config = {0};
	struct fixture *f = *state;

	assert_int_equal(provider_e2b_new(&config, &f->p), PROVIDER_DENIED);
	config.api_key = "a\r\nX-Evil: b";
	assert_int_equal(provider_e2b_new(&config, &f->p), PROVIDER_DENIED);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(creates_with_its_mark_and_knows_how_to_reach_it),
		T(creates_the_old_way_where_there_is_no_new_one),
		T(does_not_take_a_missing_template_for_a_missing_path),
		T(finds_a_sandbox_whose_creation_was_not_answered),
		T(never_creates_twice),
		T(refuses_another_sandbox_than_the_one_asked_for),
		T(lists_all_pages_of_its_own),
		T(ends_a_list_that_does_not),
		T(tells_the_conflicts_of_pause_apart),
		T(resumes_with_a_lifetime_and_learns_the_new_token),
		T(deletes_what_is_gone_and_keeps_alive_what_runs),
		T(passes_on_when_to_come_back_and_hides_an_echoed_key),
		T(gives_addresses_where_there_are_host_names),
		T(refuses_a_domain_that_is_none),
		T(wants_a_key_that_can_be_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
