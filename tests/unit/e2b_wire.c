/* tests/unit/e2b_wire.c - one provider, one server, one call at a time. */
#include "tests/unit/e2b_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum { PATIENCE_MS = 60000 };

int setup(void **state)
{
	*state = alloc_zero(sizeof(struct fixture));
	log_open(-1, LOG_LEVEL_ERR, false);
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	provider_free(f->p);
	scripted_free(f->server);
	free(f);
	return 0;
}

void serve(struct fixture *f, const struct scripted_reply *script)
{
	char url[64];
	struct provider_e2b_config config = {
		.api_key = KEY, .api_url = url, .sandbox_url = url, .proxy = ""};

	f->server = scripted_new(script);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", scripted_port(f->server));
	assert_int_equal(provider_e2b_new(&config, &f->p), 0);
}

static void ended(struct provider_call *c, int result)
{
	struct fixture *f = c->arg;

	assert_false(f->done);
	f->done = true;
	f->result = result;
}

struct provider_call *call(struct fixture *f)
{
	f->c = (struct provider_call){.done = ended, .arg = f};
	f->done = false;
	f->out_len = 0;
	return &f->c;
}

/* What `done` gets for a verb that returned `started`. */
int settle(struct fixture *f, int started)
{
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;

	if (started)
		return started;
	assert_false(f->done);
	while (!f->done) {
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
		assert_true(clock_now(clock_system()) < end);
	}
	/* no secret in any words */
	assert_null(strstr(f->c.why, "canary"));
	return f->result;
}

void took(struct provider_call *c, int fd, const void *data, size_t len)
{
	struct fixture *f = c->arg;

	assert_true(f->out_len + len < sizeof(f->out));
	memcpy(f->out + f->out_len, data, len);
	f->out_len += len;
	f->out[f->out_len] = '\0';
}

const char *const argv_id[] = {"id", "-un", NULL};

int run(struct fixture *f, struct provider_exec *x)
{
	x->argv = argv_id;
	x->on_output = took;
	return settle(f, provider_exec(f->p, ID, x, call(f)));
}

const char *body_of(struct fixture *f, const char *match)
{
	const struct scripted_request *r = scripted_last(f->server, match);

	assert_non_null(r);
	return r->body;
}

bool has(const char *text, const char *part)
{
	return strstr(text, part);
}
