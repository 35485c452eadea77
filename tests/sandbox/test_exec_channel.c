/* tests/sandbox/test_exec_channel.c - commands that are fed, and the agent's stream over one, in a real sandbox. */
#include "provider/exec_channel.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "provider/agent/wire.h"
#include "tests/scratch.h"

static const char *agent_path;

enum { PATIENCE_MS = 60000, LARGE = 3 << 20 };

struct fixture {
	struct scratch s;
	struct provider *p;
	struct provider_sandbox box;
	struct exec_channels *set;
	struct channel *ch;
	struct wire_stream in;
	struct buf out;
	char why[PROVIDER_WHY_MAX];
	/* a command */
	struct provider_exec x;
	struct provider_call call;
	bool done;
	int result;
};

static int create(struct provider *p, void *arg, struct provider_call *c)
{
	static const struct provider_spec spec = {.label = "demo"};

	return provider_create(p, &spec, &((struct fixture *)arg)->box, c);
}

static int delete (struct provider *p, void *arg, struct provider_call *c)
{
	return provider_delete(p, ((struct fixture *)arg)->box.id, c);
}

static int stop(struct provider *p, void *arg, struct provider_call *c)
{
	return provider_stop(p, ((struct fixture *)arg)->box.id, c);
}

static int open_channel(struct provider *p, void *arg, struct provider_call *c)
{
	struct fixture *f = arg;

	return exec_channels_open(f->set, f->box.id, &f->ch, c);
}

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));
	struct provider_local_config config = {.agent = agent_path};
	const struct exec_channels_config channels = {.agent = agent_path,
						      .home = "/home/sb/hosted"};

	scratch_init(&f->s);
	config.dir = f->s.path;
	assert_int_equal(provider_local_new(&config, &f->p), 0);
	if (provider_run(f->p, create, f, 0, f->why))
		fail_msg("create: %s", f->why);
	f->set = exec_channels_new(f->p, &channels);
	wire_stream_init(&f->in);
	buf_init(&f->out, 64 << 20);
	*state = f;
	return 0;
}

static void hang_up(struct fixture *f)
{
	if (f->ch)
		f->ch->ops->close(f->ch);
	f->ch = NULL;
	wire_stream_deinit(&f->in);
	wire_stream_init(&f->in);
	assert_true(provider_poll(f->p, NULL, 0, 0) >= 0);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	hang_up(f);
	assert_int_equal(provider_run(f->p, delete, f, 0, f->why), 0);
	exec_channels_free(f->set);
	provider_free(f->p);
	wire_stream_deinit(&f->in);
	buf_deinit(&f->out);
	scratch_deinit(&f->s);
	free(f);
	return 0;
}

/* Waits for something to happen; fails the test when nothing does. */
static void wait_a_bit(struct fixture *f, int64_t end)
{
	int fd = f->ch ? f->ch->ops->fd(f->ch) : -1;

	assert_true(clock_now(clock_system()) < end);
	assert_true(provider_poll(f->p, &fd, fd >= 0, 100) >= 0);
}

static void say(struct fixture *f, struct wire_frame frame)
{
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;
	struct buf b;

	buf_init(&b, WIRE_FRAME_MAX + 4);
	assert_int_equal(wire_encode(&b, &frame), 0);
	for (size_t at = 0; at < b.len;) {
		ssize_t n = f->ch->ops->send(f->ch, b.data + at, b.len - at);

		assert_true(n > 0 || n == -EAGAIN);
		at += n > 0 ? (size_t)n : 0;
		if (n < 0)
			wait_a_bit(f, end);
	}
	buf_deinit(&b);
}

static struct wire_frame hear(struct fixture *f)
{
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;
	struct wire_frame frame;

	while (wire_stream_next(&f->in, &frame)) {
		size_t room;
		void *p = wire_stream_room(&f->in, &room);
		ssize_t n = f->ch->ops->recv(f->ch, p, room);

		assert_true(n > 0 || n == -EAGAIN);
		if (n > 0)
			wire_stream_filled(&f->in, (size_t)n);
		else
			wait_a_bit(f, end);
	}
	return frame;
}

static void greet(struct fixture *f)
{
	if (provider_run(f->p, open_channel, f, 0, f->why))
		fail_msg("open: %s", f->why);
	say(f, (struct wire_frame){.type = WIRE_HELLO, .id = 1, .version = WIRE_VERSION});
	assert_int_equal(hear(f).type, WIRE_WELCOME);
}

static void sends_the_agent_and_speaks_to_it(void **state)
{
	greet(*state);
}

/* ---- commands ---- */

static void on_done(struct provider_call *c, int result)
{
	struct fixture *f = c->arg;

	f->done = true;
	f->result = result;
}

static void on_output(struct provider_call *c, int fd, const void *data, size_t len)
{
	struct fixture *f = c->arg;

	assert_int_equal(buf_add(&f->out, data, len), 0);
}

static void begin(struct fixture *f, const char *shell)
{
	f->x = (struct provider_exec){.shell = shell, .fed = true, .on_output = on_output};
	f->call = (struct provider_call){.done = on_done, .arg = f, .deadline_ms = PATIENCE_MS};
	f->done = false;
	buf_clear(&f->out);
	assert_int_equal(provider_exec(f->p, f->box.id, &f->x, &f->call), 0);
}

static void finish(struct fixture *f)
{
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;

	while (!f->done)
		wait_a_bit(f, end);
}

static void feed(struct fixture *f, const char *data, size_t len)
{
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;

	for (size_t at = 0; at < len;) {
		ssize_t n = provider_exec_feed(f->p, &f->call, data + at, len - at);

		assert_true(n > 0 || n == -EAGAIN);
		at += n > 0 ? (size_t)n : 0;
		if (n < 0)
			wait_a_bit(f, end);
	}
}

static void feeds_a_command_while_it_runs(void **state)
{
	struct fixture *f = *state;
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;

	begin(f, "while read -r line; do echo \"got $line\"; done; exit 3");
	feed(f, "one\n", 4);
	while (!strstr(f->out.data, "got one\n"))
		wait_a_bit(f, end);
	assert_false(f->done);
	feed(f, "two\n", 4);
	assert_int_equal(provider_exec_feed_end(f->p, &f->call), 0);
	finish(f);
	assert_int_equal(f->result, 0);
	assert_int_equal(f->x.status, 3);
	assert_string_equal(f->out.data, "got one\ngot two\n");
}

static void slows_who_feeds_more_than_is_taken(void **state)
{
	struct fixture *f = *state;
	char *data = alloc_zero(LARGE);

	memset(data, 'x', LARGE);
	begin(f, "wc -c");
	feed(f, data, LARGE);
	assert_int_equal(provider_exec_feed_end(f->p, &f->call), 0);
	finish(f);
	assert_int_equal((long)strtoll(f->out.data, NULL, 10), LARGE);
	free(data);
}

static void signals_a_command_that_runs(void **state)
{
	struct fixture *f = *state;
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;

	begin(f, "echo ready; exec sleep 1000");
	while (!f->out.len)
		wait_a_bit(f, end);
	assert_int_equal(provider_exec_signal(f->p, &f->call, SIGTERM), 0);
	finish(f);
	assert_int_equal(f->x.status, 128 + SIGTERM);
}

/* The inode of the program inside, which changes when it is sent anew. */
static long program(struct fixture *f)
{
	begin(f, "stat -c %i /home/sb/hosted/.frag/agent-*");
	finish(f);
	assert_int_equal(f->x.status, 0);
	return (long)strtoll(f->out.data, NULL, 10);
}

/* The second time nothing is sent, and the same agent still knows what it was told. */
static void comes_back_to_the_agent_that_runs(void **state)
{
	struct fixture *f = *state;
	struct wire_frame epoch = {.type = WIRE_EPOCH, .id = 2};
	long first;

	memset(epoch.epoch, 7, sizeof(epoch.epoch));
	greet(f);
	say(f, epoch);
	assert_int_equal(hear(f).type, WIRE_OK);
	hang_up(f);
	first = program(f);
	assert_int_equal(provider_run(f->p, open_channel, f, 0, f->why), 0);
	say(f, (struct wire_frame){.type = WIRE_HELLO, .id = 1, .version = WIRE_VERSION});
	assert_memory_equal(hear(f).epoch, epoch.epoch, sizeof(epoch.epoch));
	assert_int_equal(program(f), first);
}

/* Whoever interrupts an upload leaves a name that nobody runs. */
static void does_not_run_half_a_program(void **state)
{
	struct fixture *f = *state;

	greet(f);
	hang_up(f);
	begin(f, "cd /home/sb/hosted/.frag && for a in agent-*[0-9a-f]; do "
		 "head -c 1000 $a >$a.new; rm $a; done");
	finish(f);
	assert_int_equal(f->x.status, 0);
	greet(f);
}

static void carries_any_bytes_of_any_length(void **state)
{
	struct fixture *f = *state;
	struct wire_frame r;
	char *data = alloc_zero(LARGE);
	size_t at = 0;

	for (size_t i = 0; i < LARGE; i++)
		data[i] = (char)(i * 7919 >> 3);
	greet(f);
	say(f, (struct wire_frame){.type = WIRE_PUT,
				   .id = 2,
				   .mode = 0644,
				   .path = wire_str("/home/sb/hosted/app/large")});
	for (size_t n = 0; n <= LARGE; n += WIRE_DATA_MAX)
		say(f, (struct wire_frame){
			       .type = WIRE_MORE,
			       .id = 2,
			       .data = wire_data(data + n, n < LARGE ? WIRE_DATA_MAX : 0)});
	assert_int_equal(hear(f).type, WIRE_OK);
	say(f, (struct wire_frame){.type = WIRE_FETCH, .id = 3, .path = wire_str("large")});
	while ((r = hear(f)).type == WIRE_BYTES) {
		assert_true(r.data.len <= LARGE - at);
		assert_memory_equal(r.data.p, data + at, r.data.len);
		at += r.data.len;
	}
	assert_int_equal(r.type, WIRE_END);
	assert_int_equal(at, LARGE);
	free(data);
}

static void ends_with_the_sandbox(void **state)
{
	struct fixture *f = *state;
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;
	char byte;

	greet(f);
	assert_int_equal(provider_run(f->p, stop, f, 0, f->why), 0);
	while (f->ch->ops->recv(f->ch, &byte, 1))
		wait_a_bit(f, end);
	assert_int_equal(f->ch->ops->send(f->ch, "x", 1), -EPIPE);
}

static void says_when_the_sandbox_is_stopped_or_gone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(provider_run(f->p, stop, f, 0, f->why), 0);
	assert_int_equal(provider_run(f->p, open_channel, f, 0, f->why), PROVIDER_ASLEEP);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(feeds_a_command_while_it_runs),
		T(slows_who_feeds_more_than_is_taken),
		T(signals_a_command_that_runs),
		T(sends_the_agent_and_speaks_to_it),
		T(comes_back_to_the_agent_that_runs),
		T(does_not_run_half_a_program),
		T(carries_any_bytes_of_any_length),
		T(ends_with_the_sandbox),
		T(says_when_the_sandbox_is_stopped_or_gone),
	};

	agent_path = argc > 1 ? argv[1] : NULL;
	if (!agent_path)
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
