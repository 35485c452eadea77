/* tests/provider/conform_exec.c - commands, in front and in the background, and the agent's stream. */
#include <errno.h>
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
#include "base/cleanup.h"
#include "provider/agent/wire.h"
#include "tests/provider/conform_test.h"

static void runs_words_without_a_shell(void **state)
{
	static const char *const argv[] = {"printf", "[%s]", "a b", "$HOME;\"'",
					   "",       "ü\n",  NULL};
	struct fixture *f = *state;

	f->w.exec.argv = argv;
	assert_int_equal(watched_exec(&f->w, f->box.id, 60000), 0);
	assert_string_equal(f->w.out.data, "[a b][$HOME;\"'][][ü\n]");
	assert_int_equal(f->w.exec.status, 0);
}

static void tells_how_a_command_ended(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sh(f, "exit 0"), 0);
	assert_int_equal(f->w.exec.status, 0);
	assert_int_equal(sh(f, "exit 7"), 0);
	assert_int_equal(f->w.exec.status, 7);
	assert_int_equal(sh(f, "kill -9 $$"), 0);
	assert_int_equal(f->w.exec.status, 128 + 9);
	assert_says(f, "printf 'no newline at the end'", "no newline at the end");
}

static void keeps_output_and_errors_apart(void **state)
{
	struct fixture *f = *state;

	assert_says(f, "echo out; echo err >&2", "out\n");
	assert_string_equal(f->w.err.data, "err\n");
}

static void goes_where_it_is_told_with_what_it_is_given(void **state)
{
	static const char *const env[] = {"A=1 2", "B=", "C='$x\"", NULL};
	struct fixture *f = *state;

	f->w.exec.cwd = "/usr";
	f->w.exec.env = env;
	assert_says(f, "pwd; echo \"$A|$B|$C\"", "/usr\n1 2||'$x\"\n");
}

static void gives_input_and_its_end(void **state)
{
	struct fixture *f = *state;

	f->w.exec.in = "one\ntwo\nexit 3\n";
	f->w.exec.in_len = 15;
	assert_says(f, "read x; echo got $x; cat; echo END", "got one\ntwo\nexit 3\nEND\n");
}

/* Waits until what was said is there, then feeds on. */
static void answer(struct watched *w)
{
	if (w->out.len && w->out.data[w->out.len - 1] == '?')
		assert_int_equal(provider_exec_feed(w->c->p, &w->call, "bob\n", 4), 4);
}

static void is_fed_while_it_runs(void **state)
{
	struct fixture *f = *state;

	f->w.exec.fed = true;
	f->w.react = answer;
	assert_says(f, "printf 'who?'; read a; printf '%s. and?' $a; read b; echo $b",
		    "who?bob. and?bob\n");
}

static void carries_megabytes_both_ways_unharmed(void **state)
{
	struct fixture *f = *state;

	f->w.exec.fed = true;
	for (uint32_t i = 0; i < 1 << 20; i++)
		assert_int_equal(buf_u32(&f->w.feed, i * 2654435761U), 0);
	assert_int_equal(sh(f, "cat"), 0);
	assert_int_equal(f->w.out.len, f->w.feed.len);
	assert_memory_equal(f->w.out.data, f->w.feed.data, f->w.feed.len);
}

static bool has_output(struct watched *w)
{
	return w->out.len > 0;
}

/* Starts a line and waits for its first output. */
static void start_sh(struct fixture *f, const char *line, int64_t deadline_ms)
{
	f->w.exec.shell = line;
	assert_int_equal(
		provider_exec(f->c.p, f->box.id, &f->w.exec, watched_begin(&f->w, deadline_ms)),
		0);
	f->w.inside = false;
	watched_wait(&f->w, has_output);
}

static void signals_a_command(void **state)
{
	struct fixture *f = *state;

	start_sh(f, "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.01; done",
		 60000);
	assert_int_equal(provider_exec_signal(f->c.p, &f->w.call, SIGINT), 0);
	watched_wait(&f->w, NULL);
	assert_int_equal(f->w.result, 0);
	assert_int_equal(f->w.exec.status, 5);
	assert_non_null(strstr(f->w.out.data, "caught"));
}

/* Polls inside until nothing of that name runs. */
static void assert_no_process(struct fixture *f, const char *name)
{
	char line[200];

	(void)snprintf(
		line, sizeof(line),
		"for i in $(seq 500); do grep -lz '^%s$' /proc/[0-9]*/cmdline 2>/dev/null "
		"| grep -v self >/dev/null || exit 0; sleep 0.02; done; exit 1",
		name);
	assert_int_equal(sh(f, line), 0);
	assert_int_equal(f->w.exec.status, 0);
}

static void kills_what_is_cancelled(void **state)
{
	struct fixture *f = *state;

	start_sh(f, "echo ready; exec sleep 987123", 60000);
	assert_int_equal(provider_cancel(f->c.p, &f->w.call), 0);
	watched_wait(&f->w, NULL);
	assert_int_equal(f->w.result, -ECANCELED);
	assert_no_process(f, "987123");
}

static void kills_what_takes_too_long(void **state)
{
	struct fixture *f = *state;

	f->w.exec.shell = "echo ready; exec sleep 987124";
	assert_int_equal(watched_exec(&f->w, f->box.id, 1500), -ETIMEDOUT);
	assert_no_process(f, "987124");
}

static void runs_many_at_once(void **state)
{
	enum { MANY = 30 };
	static const char *const argv[] = {"sh", "-c", "sleep 0.2; echo done", NULL};
	struct fixture *f = *state;
	struct watched *many;

	many = alloc_array(MANY, sizeof(*many));
	for (int i = 0; i < MANY; i++) {
		watched_init(&many[i], &f->c);
		many[i].exec.argv = argv;
		assert_int_equal(provider_exec(f->c.p, f->box.id, &many[i].exec,
					       watched_begin(&many[i], 120000)),
				 0);
		many[i].inside = false;
	}
	for (int i = 0; i < MANY; i++) {
		watched_wait(&many[i], NULL);
		if (many[i].result)
			fail_msg("%d: %s", many[i].result, many[i].call.why);
		assert_string_equal(many[i].out.data, "done\n");
		watched_deinit(&many[i]);
	}
	free(many);
}

static void holds_output_back(void **state)
{
	struct fixture *f = *state;
	size_t len;

	start_sh(f, "head -c 20000000 /dev/zero", 60000);
	assert_int_equal(provider_exec_hold(f->c.p, &f->w.call, true), 0);
	len = f->w.out.len;
	for (int i = 0; i < 20; i++)
		assert_true(provider_poll(f->c.p, NULL, 0, 5) >= 0);
	assert_true(f->w.out.len <= len + (1 << 20) + (1 << 18));
	assert_false(f->w.done);
	assert_int_equal(provider_exec_hold(f->c.p, &f->w.call, false), 0);
	watched_wait(&f->w, NULL);
	assert_int_equal(f->w.out.len, 20000000);
}

/* Background. */

static void start_background(struct fixture *f, const char *line, char ref[PROVIDER_ID_MAX])
{
	f->w.exec.background = true;
	assert_int_equal(sh(f, line), 0);
	f->w.exec.background = false;
	assert_true(f->w.exec.ref[0] != '\0');
	memcpy(ref, f->w.exec.ref, PROVIDER_ID_MAX);
}

static int attach(struct fixture *f, const char *ref)
{
	buf_clear(&f->w.out);
	buf_clear(&f->w.err);
	return watched_end(&f->w, provider_attach(f->c.p, f->box.id, ref, &f->w.exec,
						  watched_begin(&f->w, 60000)));
}

static void attaches_to_what_runs_in_the_background(void **state)
{
	struct fixture *f = *state;
	char ref[PROVIDER_ID_MAX];

	start_background(f, "while ! test -e go; do sleep 0.01; done; echo went; exit 4", ref);
	assert_int_equal(provider_attach(f->c.p, f->box.id, ref, &f->w.exec,
					 watched_begin(&f->w, 60000)),
			 0);
	f->w.inside = false;
	for (int i = 0; i < 10; i++)
		assert_true(provider_poll(f->c.p, NULL, 0, 5) >= 0);
	assert_false(f->w.done);
	{
		struct watched other;

		watched_init(&other, &f->c);
		other.exec.shell = "touch go";
		assert_int_equal(watched_exec(&other, f->box.id, 60000), 0);
		watched_deinit(&other);
	}
	watched_wait(&f->w, NULL);
	assert_int_equal(f->w.result, 0);
	assert_int_equal(f->w.exec.status, 4);
	assert_non_null(strstr(f->w.out.data, "went\n"));
}

struct found {
	const char *ref;
	bool found, running;
	int status;
};

static int find(const struct provider_process *s, void *arg)
{
	struct found *l = arg;

	if (strcmp(s->ref, l->ref) != 0)
		return 0;
	l->found = true;
	l->running = s->running;
	l->status = s->status;
	return 0;
}

static struct found look_for(struct fixture *f, const char *ref)
{
	struct found l = {.ref = ref};

	assert_int_equal(watched_end(&f->w, provider_processes(f->c.p, f->box.id, find, &l,
							       watched_begin(&f->w, 60000))),
			 0);
	return l;
}

static void lists_and_kills_what_runs_in_the_background(void **state)
{
	struct fixture *f = *state;
	char ref[PROVIDER_ID_MAX];
	struct found l;

	start_background(f, "exec sleep 987125", ref);
	l = look_for(f, ref);
	assert_true(l.found && l.running);
	assert_int_equal(watched_end(&f->w, provider_kill(f->c.p, f->box.id, ref, SIGKILL,
							  watched_begin(&f->w, 60000))),
			 0);
	assert_int_equal(attach(f, ref), 0);
	assert_int_equal(f->w.exec.status, 128 + SIGKILL);
	l = look_for(f, ref);
	assert_false(l.found && l.running);
	assert_no_process(f, "987125");
	assert_int_equal(watched_end(&f->w, provider_kill(f->c.p, f->box.id, "no-such", SIGKILL,
							  watched_begin(&f->w, 60000))),
			 PROVIDER_REFUSED);
}

static void gives_a_terminal(void **state)
{
	struct fixture *f = *state;

	f->w.exec.tty = true;
	f->w.exec.rows = 33;
	f->w.exec.cols = 111;
	assert_says(f, "stty size; test -t 0 && test -t 1 && test -t 2 && echo tty",
		    "33 111\r\ntty\r\n");
}

static void opens_the_agents_stream(void **state)
{
	struct fixture *f = *state;
	const struct wire_frame hello = {.type = WIRE_HELLO, .id = 9, .version = WIRE_VERSION};
	struct channel *ch = NULL;
	struct wire_stream in;
	struct wire_frame reply;
	struct buf out;
	int r = WIRE_SHORT;

	assert_int_equal(watched_end(&f->w, provider_agent_open(f->c.p, f->box.id, &ch,
								watched_begin(&f->w, 60000))),
			 0);
	wire_stream_init(&in);
	buf_init(&out, 100);
	assert_int_equal(wire_encode(&out, &hello), 0);
	assert_int_equal(ch->ops->send(ch, out.data, out.len), out.len);
	for (int i = 0; i < 6000 && r == WIRE_SHORT; i++) {
		size_t room;
		void *p = wire_stream_room(&in, &room);
		int fd = ch->ops->fd(ch);
		ssize_t n;

		assert_true(provider_poll(f->c.p, &fd, fd >= 0, 5) >= 0);
		n = ch->ops->recv(ch, p, room);
		assert_true(n > 0 || n == -EAGAIN);
		wire_stream_filled(&in, n > 0 ? (size_t)n : 0);
		r = wire_stream_next(&in, &reply);
	}
	assert_int_equal(r, 0);
	assert_int_equal(reply.type, WIRE_WELCOME);
	assert_int_equal(reply.id, 9);
	buf_deinit(&out);
	wire_stream_deinit(&in);
	ch->ops->close(ch);
}

const struct conform_row exec_rows[] = {
	CONFORM(runs_words_without_a_shell, PROVIDER_CAP_EXEC),
	CONFORM(tells_how_a_command_ended, PROVIDER_CAP_EXEC),
	CONFORM(keeps_output_and_errors_apart, PROVIDER_CAP_EXEC | PROVIDER_CAP_SPLIT),
	CONFORM(goes_where_it_is_told_with_what_it_is_given, PROVIDER_CAP_EXEC),
	CONFORM(gives_input_and_its_end, PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_STDIN),
	CONFORM(is_fed_while_it_runs, PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_FEED),
	CONFORM(carries_megabytes_both_ways_unharmed,
		PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_FEED | PROVIDER_CAP_SPLIT),
	CONFORM(signals_a_command, PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_SIGNAL),
	CONFORM(kills_what_is_cancelled, PROVIDER_CAP_EXEC),
	CONFORM(kills_what_takes_too_long, PROVIDER_CAP_EXEC),
	CONFORM(runs_many_at_once, PROVIDER_CAP_EXEC),
	CONFORM(holds_output_back, PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_HOLD),
	CONFORM(attaches_to_what_runs_in_the_background, PROVIDER_CAP_BACKGROUND),
	CONFORM(lists_and_kills_what_runs_in_the_background, PROVIDER_CAP_BACKGROUND),
	CONFORM(gives_a_terminal, PROVIDER_CAP_TTY),
	CONFORM(opens_the_agents_stream, PROVIDER_CAP_AGENT),
	{{0}, 0},
};
