/* tests/provider/conform_call.c - the call's rules, asserted for every call of the suite. */
#include "tests/provider/conform_call.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { PATIENCE_MS = 120000, OUT_MAX = 64 << 20 };

static void on_done(struct provider_call *call, int result)
{
	struct watched *w = call->arg;

	assert_false(w->inside);
	assert_false(w->done);
	w->done = true;
	w->result = result;
}

static void on_output(struct provider_call *call, int fd, const void *data, size_t len)
{
	struct watched *w = call->arg;

	assert_false(w->inside);
	assert_false(w->done);
	assert_ptr_equal(call, &w->call);
	assert_int_equal(buf_add(fd == 2 ? &w->err : &w->out, data, len), 0);
	if (w->react)
		w->react(w);
}

void watched_init(struct watched *w, struct conform *c)
{
	*w = (struct watched){.c = c};
	buf_init(&w->out, OUT_MAX);
	buf_init(&w->err, OUT_MAX);
	buf_init(&w->feed, OUT_MAX);
	w->exec.on_output = on_output;
}

void watched_deinit(struct watched *w)
{
	buf_deinit(&w->out);
	buf_deinit(&w->err);
	buf_deinit(&w->feed);
}

struct provider_call *watched_begin(struct watched *w, int64_t deadline_ms)
{
	w->call = (struct provider_call){.done = on_done, .arg = w, .deadline_ms = deadline_ms};
	w->done = false;
	w->inside = true;
	return &w->call;
}

static void feed(struct watched *w)
{
	while (w->exec.fed && w->fed < w->feed.len && !w->done) {
		ssize_t n = provider_exec_feed(w->c->p, &w->call, w->feed.data + w->fed,
					       w->feed.len - w->fed);

		if (n == -EAGAIN)
			return;
		assert_true(n > 0 || n == -EPIPE);
		w->fed = n < 0 ? w->feed.len : w->fed + (size_t)n;
	}
	if (w->exec.fed && !w->ended_feed && !w->done && !w->react) {
		w->ended_feed = true;
		assert_int_equal(provider_exec_feed_end(w->c->p, &w->call), 0);
	}
}

void watched_wait(struct watched *w, bool (*until)(struct watched *w))
{
	for (int i = 0; i < PATIENCE_MS / 5 && !w->done; i++) {
		if (until && until(w))
			return;
		feed(w);
		assert_true(provider_poll(w->c->p, NULL, 0, 5) >= 0);
	}
	if (!w->done)
		fail_msg("a call that does not end");
}

int watched_end(struct watched *w, int r)
{
	w->inside = false;
	assert_false(w->done);
	if (r)
		return r;
	watched_wait(w, NULL);
	return w->result;
}

int watched_exec(struct watched *w, const char *id, int64_t deadline_ms)
{
	buf_clear(&w->out);
	buf_clear(&w->err);
	w->fed = 0;
	w->ended_feed = false;
	return watched_end(w,
			   provider_exec(w->c->p, id, &w->exec, watched_begin(w, deadline_ms)));
}
