/* tests/sandbox/test_e2b_served.c - the E2B provider and sandboxes that truly run, over real sockets.
 *
 * The other end is our server of E2B's API (tests/peers), which the vendor's own SDK has been proven against. Its quirks are
 * switched on one by one: what the documentation calls trouble is either survived or told, never taken for success.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
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
#include "provider/agent/wire.h"
#include "provider/provider.h"
#include "tests/peers/peer.h"
#include "tests/peers/quirk.h"
#include "tests/scratch.h"

static const char *agent_path;

enum { PATIENCE_MS = 120000, LARGE = 5 << 20 };

struct fixture {
	struct scratch s;
	struct peer *peer;
	struct provider *p;
	struct provider_sandbox box;
	struct provider_call c;
	struct buf out;
	int fd_seen[3];
	bool done;
	int result;
};

static void ended(struct provider_call *c, int result)
{
	struct fixture *f = c->arg;

	assert_false(f->done);
	f->done = true;
	f->result = result;
}

static struct provider_call *call(struct fixture *f)
{
	f->c = (struct provider_call){.done = ended, .arg = f, .deadline_ms = PATIENCE_MS};
	f->done = false;
	return &f->c;
}

static int settle(struct fixture *f, int started)
{
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;

	if (started)
		return started;
	while (!f->done) {
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
		assert_true(clock_now(clock_system()) < end);
	}
	return f->result;
}

static void took(struct provider_call *c, int fd, const void *data, size_t len)
{
	struct fixture *f = c->arg;

	f->fd_seen[fd]++;
	assert_int_equal(buf_add(&f->out, data, len), 0);
}

static int run(struct fixture *f, struct provider_exec *x)
{
	buf_clear(&f->out);
	memset(f->fd_seen, 0, sizeof(f->fd_seen));
	x->on_output = took;
	return settle(f, provider_exec(f->p, f->box.id, x, call(f)));
}

static int sh(struct fixture *f, const char *text)
{
	struct provider_exec x = {.shell = text};

	assert_int_equal(run(f, &x), 0);
	return x.status;
}

static int create(struct fixture *f)
{
	struct provider_spec spec = {.label = "demo"};

	return settle(f, provider_create(f->p, &spec, &f->box, call(f)));
}

static void serve(struct fixture *f, uint32_t quirks)
{
	struct peer_config peer = {.dir = f->s.path, .agent = agent_path, .quirks = quirks};
	struct provider_e2b_config config = {.api_key = PEER_E2B_KEY,
					     .proxy = "",
					     .agent = agent_path,
					     /* not where the local sandbox's own agent lives */
					     .home = "/home/sb/hosted"};

	assert_int_equal(peer_start(&peer, &f->peer), 0);
	config.api_url = config.sandbox_url = peer_url(f->peer);
	assert_int_equal(provider_e2b_new(&config, &f->p), 0);
}

static void serve_with(struct fixture *f, enum quirk q)
{
	serve(f, UINT32_C(1) << q);
}

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));

	log_open(-1, LOG_LEVEL_ERR, false);
	scratch_init(&f->s);
	buf_init(&f->out, 64 << 20);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	provider_free(f->p);
	if (f->peer)
		peer_stop(f->peer);
	buf_deinit(&f->out);
	/* The server runs in here; what it holds a moment longer is not the client's. Clients are held to it elsewhere. */
	f->s.n_open = INT_MAX;
	scratch_deinit(&f->s);
	free(f);
	return 0;
}

static int count(const struct provider_sandbox *s, void *arg)
{
	(*(int *)arg)++;
	return 0;
}

static int list(struct fixture *f, int *n)
{
	struct provider_page page = {.fn = count, .arg = n};

	return settle(f, provider_list(f->p, &page, call(f)));
}

static int fetch(struct fixture *f, const char *path, struct buf *into)
{
	struct provider_sink to = {.path = path, .into = into};

	return settle(f, provider_fetch(f->p, f->box.id, &to, call(f)));
}

static void a_sandbox_lives_sleeps_wakes_and_goes(void **state)
{
	struct fixture *f = *state;
	struct provider_sandbox s;
	int n = 0;

	serve(f, 0);
	assert_int_equal(create(f), 0);
	assert_int_equal(settle(f, provider_get(f->p, f->box.id, &s, call(f))), 0);
	assert_int_equal(s.state, PROVIDER_RUNNING);
	assert_string_equal(s.label, "demo");
	assert_true(s.expires > s.created);
	assert_int_equal(list(f, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(sh(f, "echo kept >\"$HOME/kept\""), 0);
	assert_int_equal(settle(f, provider_pause(f->p, f->box.id, call(f))), 0);
	assert_int_equal(settle(f, provider_pause(f->p, f->box.id, call(f))), 0);
	assert_int_equal(settle(f, provider_get(f->p, f->box.id, &s, call(f))), 0);
	assert_int_equal(s.state, PROVIDER_PAUSED);
	{
		struct provider_exec x = {.shell = "true"};

		assert_int_equal(run(f, &x), PROVIDER_ASLEEP);
	}
	assert_int_equal(settle(f, provider_keep_alive(f->p, f->box.id, 60, call(f))),
			 PROVIDER_ASLEEP);
	assert_int_equal(settle(f, provider_resume(f->p, f->box.id, call(f))), 0);
	assert_int_equal(sh(f, "cat \"$HOME/kept\""), 0);
	assert_string_equal(f->out.data, "kept\n");
	assert_int_equal(settle(f, provider_keep_alive(f->p, f->box.id, 60, call(f))), 0);
	assert_int_equal(settle(f, provider_delete(f->p, f->box.id, call(f))), 0);
	assert_int_equal(settle(f, provider_delete(f->p, f->box.id, call(f))), 0);
	assert_int_equal(settle(f, provider_get(f->p, f->box.id, &s, call(f))), PROVIDER_GONE);
	assert_int_equal(settle(f, provider_resume(f->p, f->box.id, call(f))), PROVIDER_GONE);
	{
		struct provider_exec x = {.shell = "true"};

		assert_int_equal(run(f, &x), PROVIDER_GONE);
	}
}

static void commands_give_back_what_they_are(void **state)
{
	const char *argv[] = {"printf", "%s|", "a b", "", "\xc3\xbc\"\\", NULL};
	const char *env[] = {"FRAG_X=1 2", NULL};
	struct provider_exec x = {.argv = argv}, y = {.shell = "exit 3"},
			     z = {.shell = "kill -TERM $$"}, none = {.shell = "nosuchcommand"},
			     where = {.shell = "pwd; echo \"$FRAG_X\"; echo bad >&2",
				      .cwd = "/tmp",
				      .env = env},
			     nowhere = {.shell = "true", .cwd = "/no/such"};
	struct fixture *f = *state;

	serve(f, 0);
	assert_int_equal(create(f), 0);
	assert_int_equal(run(f, &x), 0);
	assert_int_equal(x.status, 0);
	assert_string_equal(f->out.data, "a b||\xc3\xbc\"\\|");
	assert_int_equal(run(f, &y), 0);
	assert_int_equal(y.status, 3);
	assert_int_equal(run(f, &z), 0);
	assert_int_equal(z.status, 128 + SIGTERM);
	assert_int_equal(run(f, &none), 0);
	assert_int_equal(none.status, 127);
	assert_int_equal(run(f, &where), 0);
	assert_non_null(strstr(f->out.data, "/tmp\n1 2\n"));
	assert_int_equal(f->fd_seen[2], 1);
	assert_int_equal(run(f, &nowhere), PROVIDER_REFUSED);
	assert_non_null(strstr(f->c.why, "/no/such"));
}

static void bytes_go_through_a_command_whole(void **state)
{
	struct provider_exec x = {.shell = "cat", .in_len = LARGE};
	struct fixture *f = *state;
	char *data = malloc(LARGE);

	assert_non_null(data);
	for (size_t i = 0; i < LARGE; i++)
		data[i] = (char)(i * 2654435761U >> 13);
	x.in = data;
	serve(f, 0);
	assert_int_equal(create(f), 0);
	assert_int_equal(run(f, &x), 0);
	assert_int_equal(x.status, 0);
	assert_int_equal(f->out.len, LARGE);
	assert_memory_equal(f->out.data, data, LARGE);
	free(data);
}

static void wait_for(struct fixture *f, const char *text)
{
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;

	while (!strstr(f->out.data, text)) {
		assert_true(clock_now(clock_system()) < end);
		assert_true(provider_poll(f->p, NULL, 0, 100) >= 0);
		assert_false(f->done);
	}
}

static void a_signal_reaches_the_whole_group(void **state)
{
	struct provider_exec x = {.shell = "sleep 1000 & echo started; wait",
				  .on_output = took};
	struct fixture *f = *state;

	serve(f, 0);
	assert_int_equal(create(f), 0);
	assert_int_equal(provider_exec(f->p, f->box.id, &x, call(f)), 0);
	wait_for(f, "started");
	assert_int_equal(provider_exec_signal(f->p, &f->c, SIGINT), 0);
	assert_int_equal(provider_exec_signal(f->p, &f->c, SIGTERM), 0);
	/* the stream ends only when nobody holds the output any more, the child included */
	assert_int_equal(settle(f, 0), 0);
	assert_true(x.status >= 128);
}

static void a_cancelled_command_is_killed(void **state)
{
	struct provider_exec x = {.shell = "echo started; sleep 1000; true", .on_output = took};
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;
	struct fixture *f = *state;

	serve(f, 0);
	assert_int_equal(create(f), 0);
	assert_int_equal(provider_exec(f->p, f->box.id, &x, call(f)), 0);
	wait_for(f, "started");
	assert_int_equal(provider_cancel(f->p, &f->c), 0);
	assert_int_equal(settle(f, 0), -ECANCELED);
	do {
		assert_true(clock_now(clock_system()) < end);
	} while (sh(f, "grep -aq '^sleep' /proc/[0-9]*/cmdline") == 0);
}

static void a_background_command_is_found_again(void **state)
{
	struct provider_exec
		x = {.shell = "while ! [ -e /tmp/go ]; do sleep 0.02; done; echo over; exit 5",
		     .background = true},
		again = {.on_output = took};
	struct fixture *f = *state;
	char ref[PROVIDER_ID_MAX];

	serve(f, 0);
	assert_int_equal(create(f), 0);
	assert_int_equal(settle(f, provider_exec(f->p, f->box.id, &x, call(f))), 0);
	(void)snprintf(ref, sizeof(ref), "%s", x.ref);
	assert_true(ref[0]);
	buf_clear(&f->out);
	assert_int_equal(provider_attach(f->p, f->box.id, ref, &again, call(f)), 0);
	for (int i = 0; i < 10; i++)
		assert_true(provider_poll(f->p, NULL, 0, 20) >= 0);
	assert_false(f->done);
	{
		/* beside it, as a call of its own */
		struct provider_call c = {.done = ended, .arg = f, .deadline_ms = PATIENCE_MS};
		struct provider_exec go = {.shell = "touch /tmp/go"};

		assert_int_equal(provider_exec(f->p, f->box.id, &go, &c), 0);
		while (!f->done)
			assert_true(provider_poll(f->p, NULL, 0, 100) >= 0);
		f->done = false;
	}
	assert_int_equal(settle(f, 0), 0);
	assert_int_equal(again.status, 5);
	assert_string_equal(f->out.data, "over\n");
	assert_int_equal(settle(f, provider_attach(f->p, f->box.id, "999999.0123456789abcdef",
						   &again, call(f))),
			 PROVIDER_REFUSED);
}

static void files_keep_their_bytes_names_and_modes(void **state)
{
	static const char *const names[] = {"plain",     "a b",         "q\"uo'te",
					    "pct%22",    "back\\slash", "\xc3\xbc",
					    "new\nline", "plus+&=?#"};
	struct fixture *f = *state;
	CLEANUP(buf_deinit) struct buf got = {0};
	char *data = malloc(LARGE);

	assert_non_null(data);
	for (size_t i = 0; i < LARGE; i++)
		data[i] = (char)(i * 40503U >> 7);
	buf_init(&got, LARGE + 1UL);
	serve(f, 0);
	assert_int_equal(create(f), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		CLEANUP(free_p) char *path = alloc_fmt("/tmp/deep/er/%s", names[i]);
		struct provider_file file = {
			.path = path, .data = data, .mode = 0750, .len = i ? i : LARGE};

		assert_int_equal(settle(f, provider_put(f->p, f->box.id, &file, call(f))), 0);
		buf_clear(&got);
		assert_int_equal(fetch(f, path, &got), 0);
		assert_int_equal(got.len, file.len);
		assert_memory_equal(got.data, data, got.len);
	}
	assert_int_equal(sh(f, "ls -l /tmp/deep/er/plain; ls /tmp/deep/er | wc -l"), 0);
	assert_memory_equal(f->out.data, "-rwxr-x---", 10);
	assert_int_equal(fetch(f, "/tmp/none", &got), PROVIDER_REFUSED);
	assert_int_equal(fetch(f, "/tmp/deep", &got), PROVIDER_REFUSED);
	free(data);
}

static void the_agents_stream_opens_over_a_command(void **state)
{
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;
	struct wire_frame hello = {.type = WIRE_HELLO, .id = 1, .version = WIRE_VERSION};
	struct channel *ch = NULL;
	struct fixture *f = *state;
	struct buf b;
	char in[4096];
	ssize_t n;

	serve(f, 0);
	assert_int_equal(create(f), 0);
	for (int i = 0; i < 2; i++) { /* sent, then found there */
		assert_int_equal(settle(f, provider_agent_open(f->p, f->box.id, &ch, call(f))),
				 0);
		buf_init(&b, WIRE_FRAME_MAX + 4);
		assert_int_equal(wire_encode(&b, &hello), 0);
		assert_int_equal(ch->ops->send(ch, b.data, b.len), b.len);
		while ((n = ch->ops->recv(ch, in, sizeof(in))) == -EAGAIN) {
			int fd = ch->ops->fd(ch);

			assert_true(clock_now(clock_system()) < end);
			assert_true(provider_poll(f->p, &fd, 1, 100) >= 0);
		}
		assert_true(n > 4);
		ch->ops->close(ch);
		buf_deinit(&b);
	}
}

static void works_with_the_older_paths_and_the_older_daemon(void **state)
{
	struct provider_file file = {
		.path = "/tmp/b\"q", .data = "old", .len = 3, .mode = 0600};
	CLEANUP(buf_deinit) struct buf got = {0};
	struct fixture *f = *state;
	int n = 0;

	buf_init(&got, 100);
	serve(f, UINT32_C(1) << QUIRK_E2B_NO_V2 | UINT32_C(1) << QUIRK_E2B_OLD_ENVD);
	assert_int_equal(create(f), 0);
	assert_int_equal(list(f, &n), 0);
	assert_int_equal(n, 1);
	{
		int rr = settle(f, provider_put(f->p, f->box.id, &file, call(f)));
		if (rr)
			fail_msg("%d %s", rr, f->c.why);
	}
	assert_int_equal(fetch(f, file.path, &got), 0);
	assert_string_equal(got.data, "old");
	assert_int_equal(settle(f, provider_pause(f->p, f->box.id, call(f))), 0);
	assert_int_equal(settle(f, provider_resume(f->p, f->box.id, call(f))), 0);
	{
		struct provider_exec x = {.shell = "cat", .in = "x", .in_len = 1};

		assert_int_equal(run(f, &x), PROVIDER_UNSUPPORTED);
	}
}

static void frames_may_come_byte_by_byte(void **state)
{
	struct fixture *f = *state;

	serve_with(f, QUIRK_E2B_SPLIT);
	assert_int_equal(create(f), 0);
	assert_int_equal(sh(f, "echo whole"), 0);
	assert_string_equal(f->out.data, "whole\n");
}

static void a_stream_that_breaks_is_no_success(void **state)
{
	static const enum quirk quirks[] = {QUIRK_E2B_CUT_STREAM, QUIRK_E2B_NO_END};
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		struct provider_exec x = {.shell = "echo out"};

		serve_with(f, quirks[i]);
		assert_int_equal(create(f), 0);
		assert_int_equal(run(f, &x), PROVIDER_OFFLINE);
		provider_free(f->p);
		peer_stop(f->peer);
		f->p = NULL;
		f->peer = NULL;
	}
}

static void a_throttled_call_says_when_to_come_back(void **state)
{
	struct fixture *f = *state;
	int throttled = 0;

	serve_with(f, QUIRK_THROTTLE);
	for (int i = 0; i < 6; i++) {
		int n = 0, r = list(f, &n);

		assert_true(r == 0 || r == PROVIDER_THROTTLED);
		throttled += r != 0;
		if (r)
			assert_int_equal(f->c.retry_ms, 1000);
	}
	assert_int_equal(throttled, 3);
}

static void a_wrong_key_is_denied_and_never_shown(void **state)
{
	struct provider_e2b_config config = {.api_key = "e2b_canary0123456789canary",
					     .proxy = ""};
	struct fixture *f = *state;

	serve(f, 0);
	provider_free(f->p);
	config.api_url = config.sandbox_url = peer_url(f->peer);
	assert_int_equal(provider_e2b_new(&config, &f->p), 0);
	assert_int_equal(create(f), PROVIDER_DENIED);
	assert_null(strstr(f->c.why, "canary"));
}

int main(int argc, char **argv)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_sandbox_lives_sleeps_wakes_and_goes),
		T(commands_give_back_what_they_are),
		T(bytes_go_through_a_command_whole),
		T(a_signal_reaches_the_whole_group),
		T(a_cancelled_command_is_killed),
		T(a_background_command_is_found_again),
		T(files_keep_their_bytes_names_and_modes),
		T(the_agents_stream_opens_over_a_command),
		T(works_with_the_older_paths_and_the_older_daemon),
		T(frames_may_come_byte_by_byte),
		T(a_stream_that_breaks_is_no_success),
		T(a_throttled_call_says_when_to_come_back),
		T(a_wrong_key_is_denied_and_never_shown),
	};

	if (argc < 2)
		return 2;
	agent_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
