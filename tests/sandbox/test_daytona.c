/* The Daytona provider against a server that runs the vendor's API over sandboxes of this machine: every verb, as it is
 * used, over real sockets. What a bad server or network does is tests/unit/test_daytona_wire.c. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
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
#include "provider/provider.h"
#include "tests/peers/peer.h"
#include "tests/peers/quirk.h"
#include "tests/scratch.h"

enum { PATIENCE_MS = 60000, BIG = 3 << 20 };

static const char *agent_path;

struct fixture {
	struct scratch scratch;
	struct peer *peer;
	struct provider *p;
	struct provider_sandbox box;
	struct provider_call c;
	struct buf out, err;
	struct provider_exec *x; /* to be fed from `feed` */
	const char *feed;
	size_t feed_len, fed;
	int result, n_done, n_outputs;
};

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
	int64_t end = clock_now(clock_system()) + 2 * PATIENCE_MS;

	if (started)
		return started;
	assert_int_equal(f->n_done, 0); /* never from inside the verb */
	while (!f->n_done) {
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
		assert_true(clock_now(clock_system()) < end);
	}
	assert_int_equal(f->n_done, 1);
	return f->result;
}

static int start_with(void **state, uint32_t quirks)
{
	struct fixture *f = alloc_zero(sizeof(*f));
	struct provider_spec spec = {.label = "demo"};
	struct provider_daytona_config config = {
		.api_key = PEER_DAYTONA_KEY, .proxy = "", .agent = agent_path};
	CLEANUP(free_p) char *dir = NULL, *url = NULL;
	struct peer_config peer = {.agent = agent_path, .quirks = quirks, .minute_ms = 60000};

	log_open(-1, LOG_LEVEL_ERR, false);
	scratch_init(&f->scratch);
	peer.dir = dir = alloc_fmt("%s/boxes", f->scratch.path);
	assert_int_equal(peer_start(&peer, &f->peer), 0);
	config.api_url = url = alloc_fmt("%s/api/", peer_url(f->peer));
	assert_int_equal(provider_daytona_new(&config, &f->p), 0);
	buf_init(&f->out, 16 << 20);
	buf_init(&f->err, 16 << 20);
	assert_int_equal(finish(f, provider_create(f->p, &spec, &f->box, call(f))), 0);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return start_with(state, 1U << QUIRK_DAYTONA_CREATING);
}

static int setup_old(void **state)
{
	return start_with(state, 1U << QUIRK_DAYTONA_S190 | 1U << QUIRK_DAYTONA_EMPTY_502);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	provider_free(f->p);
	peer_stop(f->peer);
	buf_deinit(&f->out);
	buf_deinit(&f->err);
	/* The server runs in here; what it holds a moment longer is not the client's. Clients are held to it elsewhere. */
	f->scratch.n_open = INT_MAX;
	scratch_deinit(&f->scratch);
	free(f);
	return 0;
}

/* Commands. */

static void took(struct provider_call *c, int fd, const void *data, size_t len)
{
	struct fixture *f = c->arg;

	f->n_outputs++;
	assert_int_equal(buf_add(fd == 1 ? &f->out : &f->err, data, len), 0);
}

static void feed(struct provider_call *c)
{
	struct fixture *f = c->arg;
	ssize_t n = 1;

	while (f->fed < f->feed_len && n > 0) {
		n = provider_exec_feed(f->p, c, f->feed + f->fed, f->feed_len - f->fed);
		if (n > 0)
			f->fed += (size_t)n;
	}
	if (f->fed == f->feed_len)
		assert_int_equal(provider_exec_feed_end(f->p, c), 0);
	else
		assert_int_equal(n, -EAGAIN);
}

static int begin(struct fixture *f, struct provider_exec *x)
{
	x->on_output = took;
	buf_clear(&f->out);
	buf_clear(&f->err);
	f->n_outputs = 0;
	return provider_exec(f->p, f->box.id, x, call(f));
}

static int run(struct fixture *f, struct provider_exec *x)
{
	return finish(f, begin(f, x));
}

/* Runs a text, which must end well, and returns what it said. */
static const char *sh(struct fixture *f, const char *text)
{
	struct provider_exec x = {.shell = text};

	assert_int_equal(run(f, &x), 0);
	assert_int_equal(x.status, 0);
	return f->out.data;
}

static void runs_a_command_to_the_byte(void **state)
{
	static const char *const argv[] = {"sh",
					   "-c",
					   "printf 'out\\0%s|' \"$1\" \"$V\"; cat; "
					   "printf 'e\\377' >&2; exit 9",
					   "x",
					   "it's\n$HOME",
					   NULL};
	static const char *const env[] = {"V=a b\"", NULL};
	static const char expected[] = "out\0it's\n$HOME|out\0a b\"|in\0put";
	struct provider_exec x = {
		.argv = argv, .env = env, .cwd = "/", .in = "in\0put", .in_len = 6};
	struct fixture *f = *state;

	assert_int_equal(run(f, &x), 0);
	assert_int_equal(x.status, 9);
	assert_false(x.running);
	assert_int_equal(f->out.len, sizeof(expected) - 1);
	assert_memory_equal(f->out.data, expected, sizeof(expected) - 1);
	assert_int_equal(f->err.len, 2);
	assert_memory_equal(f->err.data, "e\377", 2);
}

static void output_comes_while_it_runs(void **state)
{
	struct provider_exec x = {.shell = "echo first; read x; echo second $x", .fed = true};
	struct fixture *f = *state;

	assert_int_equal(begin(f, &x), 0);
	while (f->out.len < 6)
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
	assert_int_equal(f->n_done, 0);
	assert_int_equal(provider_exec_feed(f->p, &f->c, "now\n", 4), 4);
	assert_int_equal(finish(f, 0), 0);
	assert_string_equal(f->out.data, "first\nsecond now\n");
	assert_int_equal(provider_exec_feed(f->p, &f->c, "x", 1), -EPIPE);
}

static void input_streams_whole_and_in_order(void **state)
{
	struct provider_exec x = {.shell = "sha1sum; echo over", .fed = true, .on_room = feed};
	struct fixture *f = *state;
	char *big = malloc(BIG);
	char expected[64];

	assert_non_null(big);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)(i * 7 >> 5);
	f->feed = big;
	f->feed_len = BIG;
	assert_int_equal(begin(f, &x), 0);
	feed(&f->c);
	assert_int_equal(finish(f, 0), 0);
	(void)snprintf(expected, sizeof(expected), "%s", f->out.data);
	assert_non_null(strstr(f->out.data, "over"));
	/* the same bytes by the other way in */
	assert_int_equal(
		finish(f, provider_put(f->p, f->box.id,
				       &(struct provider_file){
					       .path = "/tmp/big", .data = big, .len = BIG},
				       call(f))),
		0);
	assert_string_equal(sh(f, "sha1sum </tmp/big; echo over"), expected);
	free(big);
}

static void a_large_output_comes_whole(void **state)
{
	struct fixture *f = *state;

	(void)sh(f, "i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); printf '%0999d\\n' $i; done");
	assert_int_equal(f->out.len, 1000 * 1000);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(strtoul(f->out.data + i * 1000, NULL, 10), i + 1);
}

static void a_signal_ends_it(void **state)
{
	struct provider_exec x = {.shell = "echo ready; sleep 1000; echo never", .fed = true};
	struct fixture *f = *state;

	assert_int_equal(begin(f, &x), 0);
	while (!f->out.len)
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
	assert_int_equal(provider_exec_signal(f->p, &f->c, SIGTERM), 0);
	assert_int_equal(finish(f, 0), 0);
	assert_int_equal(x.status, 128 + SIGTERM);
	assert_string_equal(f->out.data, "ready\n");
}

/* Polls until a text says `yes`. */
static void wait_for(struct fixture *f, const char *text)
{
	int64_t end = clock_now(clock_system()) + PATIENCE_MS;

	while (strcmp(sh(f, text), "yes\n") != 0)
		assert_true(clock_now(clock_system()) < end);
}

static void a_call_that_ends_takes_its_command_along(void **state)
{
	struct provider_exec x = {.shell = "echo ready; sleep 4321", .fed = true};
	struct fixture *f = *state;

	assert_int_equal(begin(f, &x), 0);
	while (!f->out.len)
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
	assert_int_equal(provider_cancel(f->p, &f->c), 0);
	assert_int_equal(finish(f, 0), -ECANCELED);
	wait_for(f,
		 "grep -qs 4321 /proc/[0-9]*/cmdline | grep -v grep >/dev/null; "
		 "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null | "
		 "grep -q '^sleep 4321' || echo yes");
	x = (struct provider_exec){.shell = "sleep 4322", .on_output = took};
	call(f)->deadline_ms = 1500;
	assert_int_equal(provider_exec(f->p, f->box.id, &x, &f->c), 0);
	assert_int_equal(finish(f, 0), -ETIMEDOUT);
	wait_for(f,
		 "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null | "
		 "grep -q '^sleep 4322' || echo yes");
}

static int counted(const struct provider_process *s, void *arg)
{
	struct provider_process *ret = arg;

	*ret = *s;
	return 0;
}

static void a_background_command_is_found_again(void **state)
{
	struct provider_exec x = {.shell = "echo begun; while [ ! -f /tmp/go ]; do sleep 0.05; "
					   "done; echo gone; exit 4",
				  .background = true},
			     y = {.on_output = took, .no_follow = true};
	struct provider_process job = {0};
	struct fixture *f = *state;

	assert_int_equal(run(f, &x), 0);
	assert_true(x.running);
	assert_true(x.ref[0]);
	assert_int_equal(f->out.len, 0);
	assert_int_equal(finish(f, provider_processes(f->p, f->box.id, counted, &job, call(f))),
			 0);
	assert_string_equal(job.ref, x.ref);
	assert_true(job.running);
	assert_non_null(strstr(job.command, "echo begun"));
	while (!f->out.len)
		assert_int_equal(
			finish(f, provider_attach(f->p, f->box.id, x.ref, &y, call(f))), 0);
	assert_true(y.running);
	assert_string_equal(f->out.data, "begun\n");
	(void)sh(f, "touch /tmp/go");
	y.no_follow = false;
	buf_clear(&f->out);
	assert_int_equal(finish(f, provider_attach(f->p, f->box.id, x.ref, &y, call(f))), 0);
	assert_int_equal(y.status, 4);
	assert_string_equal(f->out.data, "begun\ngone\n");
	assert_int_equal(finish(f, provider_kill(f->p, f->box.id, x.ref, SIGTERM, call(f))),
			 PROVIDER_REFUSED);
	assert_int_equal(
		finish(f, provider_attach(f->p, f->box.id, "00112233445566778899aabbccddeeff",
					  &y, call(f))),
		PROVIDER_REFUSED);
}

static void a_background_command_can_be_killed(void **state)
{
	struct provider_exec x = {.shell = "sleep 1000", .background = true},
			     y = {.on_output = took, .no_follow = true, .running = true};
	struct fixture *f = *state;

	assert_int_equal(run(f, &x), 0);
	/* bash, starting, lets a SIGINT pass: whoever presses Ctrl-C once more is heard */
	while (y.running) {
		int r = finish(f, provider_kill(f->p, f->box.id, x.ref, SIGINT, call(f)));

		assert_true(r == 0 || r == PROVIDER_REFUSED); /* it ended meanwhile */
		r = finish(f, provider_attach(f->p, f->box.id, x.ref, &y, call(f)));
		assert_int_equal(r, 0);
	}
	assert_int_equal(y.status, 128 + SIGINT);
}

static void a_terminal_is_one(void **state)
{
	struct provider_exec x = {
		.shell = "stty size; tty >/dev/null && echo tty; read x; echo got $x",
		.tty = true,
		.rows = 30,
		.cols = 100,
		.fed = true};
	struct fixture *f = *state;

	assert_int_equal(begin(f, &x), 0);
	while (!strstr(f->out.data, "tty"))
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
	assert_non_null(strstr(f->out.data, "30 100"));
	assert_int_equal(provider_exec_feed(f->p, &f->c, "it\r", 3), 3);
	assert_int_equal(finish(f, 0), 0);
	assert_non_null(strstr(f->out.data, "got it"));
	assert_int_equal(x.status, 0);
}

/* Files. */

static int put(struct fixture *f, const char *path, const char *text, mode_t mode)
{
	struct provider_file file = {
		.path = path, .data = text, .len = strlen(text), .mode = mode};

	return finish(f, provider_put(f->p, f->box.id, &file, call(f)));
}

static int fetch(struct fixture *f, const char *path, mode_t *mode)
{
	struct provider_sink to = {.path = path, .into = &f->out};
	int r;

	buf_clear(&f->out);
	r = finish(f, provider_fetch(f->p, f->box.id, &to, call(f)));
	*mode = to.mode;
	return r;
}

static void files_keep_bytes_modes_and_names(void **state)
{
	static const char *const names[] = {"/tmp/a/b/plain",   "/tmp/ two words ",
					    "/tmp/'\"$x`&?%=#", "/tmp/\xff\xfe",
					    "/tmp/new\nline",   "/tmp/.frag"};
	struct fixture *f = *state;
	mode_t mode;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(put(f, names[i], "old", 0644), 0);
		assert_int_equal(put(f, names[i], names[i], 0750), 0);
		assert_int_equal(fetch(f, names[i], &mode), 0);
		assert_string_equal(f->out.data, names[i]);
		assert_int_equal(mode, 0750);
	}
	assert_int_equal(put(f, "/tmp/empty", "", 0600), 0);
	assert_int_equal(fetch(f, "/tmp/empty", &mode), 0);
	assert_int_equal(f->out.len, 0);
	assert_string_equal(sh(f, "find /tmp -name '.frag-put-*' | wc -l"), "0\n");
}

static void a_put_replaces_and_does_not_write_through(void **state)
{
	struct fixture *f = *state;
	mode_t mode;

	(void)sh(f,
		 "echo kept >/tmp/target; ln -s target /tmp/link; ln -s nowhere /tmp/dangling; "
		 "cp /bin/sleep /tmp/busy; /tmp/busy 1000 >/dev/null 2>&1 </dev/null & :");
	assert_int_equal(put(f, "/tmp/link", "new", 0644), 0);
	assert_int_equal(put(f, "/tmp/dangling", "new", 0644), 0);
	assert_int_equal(put(f, "/tmp/busy", "new", 0755), 0);
	assert_string_equal(
		sh(f, "cat /tmp/target; [ -e /tmp/nowhere ] || echo none; cat /tmp/link "
		      "/tmp/dangling /tmp/busy"),
		"kept\nnone\nnewnewnew");
	(void)sh(f, "mkdir /tmp/dir");
	assert_int_equal(put(f, "/tmp/dir", "new", 0644), PROVIDER_REFUSED);
	assert_non_null(strstr(f->c.why, "directory"));
	assert_int_equal(fetch(f, "/tmp/dir", &mode), PROVIDER_REFUSED);
	assert_int_equal(put(f, "/proc/x", "new", 0644), PROVIDER_REFUSED);
}

static void what_is_no_file_is_refused(void **state)
{
	struct fixture *f = *state;
	mode_t mode;

	(void)sh(f, "mkfifo /tmp/fifo; ln -s nowhere /tmp/dangling");
	assert_int_equal(fetch(f, "/tmp/fifo", &mode), PROVIDER_REFUSED);
	assert_int_equal(fetch(f, "/tmp/dangling", &mode), PROVIDER_REFUSED);
	assert_int_equal(fetch(f, "/tmp/missing", &mode), PROVIDER_REFUSED);
	assert_non_null(strstr(f->c.why, "no such file"));
	assert_int_equal(fetch(f, "relative", &mode), PROVIDER_REFUSED);
}

struct stream {
	struct fixture *f;
	size_t at;
	bool paused, resumed;
};

static ssize_t give(struct provider_call *c, void *data, size_t cap)
{
	struct fixture *f = c->arg;
	size_t n = f->feed_len - f->fed < cap ? f->feed_len - f->fed : cap;

	if (f->n_outputs == 0 && f->fed > f->feed_len / 2) {
		f->n_outputs = 1;
		return -EAGAIN;
	}
	memcpy(data, f->feed + f->fed, n);
	f->fed += n;
	return (ssize_t)n;
}

static int keep(struct provider_call *c, const void *data, size_t len)
{
	struct fixture *f = c->arg;

	if (f->n_outputs == 1 && f->out.len > f->feed_len / 2) {
		f->n_outputs = 2;
		return -EAGAIN;
	}
	return buf_add(&f->out, data, len);
}

static void files_stream_with_back_pressure(void **state)
{
	struct provider_file file = {.path = "/tmp/streamed", .on_read = give, .size = -1};
	struct provider_sink to = {.path = "/tmp/streamed", .on_write = keep};
	struct fixture *f = *state;
	char *big = malloc(BIG);

	assert_non_null(big);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)(i * 13 >> 4);
	f->feed = big;
	f->feed_len = BIG;
	f->n_outputs = 0;
	assert_int_equal(provider_put(f->p, f->box.id, &file, call(f)), 0);
	while (!f->n_outputs)
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
	assert_int_equal(provider_poll(f->p, NULL, 0, 50), 0);
	provider_more(f->p, &f->c);
	assert_int_equal(finish(f, 0), 0);
	buf_clear(&f->out);
	assert_int_equal(provider_fetch(f->p, f->box.id, &to, call(f)), 0);
	while (f->n_outputs < 2)
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
	assert_int_equal(provider_poll(f->p, NULL, 0, 50), 0);
	provider_more(f->p, &f->c);
	assert_int_equal(finish(f, 0), 0);
	assert_int_equal(f->out.len, BIG);
	assert_memory_equal(f->out.data, big, BIG);
	free(big);
}

/* Lives. */

static void stops_starts_and_goes(void **state)
{
	struct provider_exec x = {.shell = "true", .on_output = took};
	struct provider_sandbox s;
	struct fixture *f = *state;

	(void)sh(f, "echo kept >~/kept");
	for (int i = 0; i < 2; i++)
		assert_int_equal(finish(f, provider_stop(f->p, f->box.id, call(f))), 0);
	assert_int_equal(finish(f, provider_get(f->p, f->box.id, &s, call(f))), 0);
	assert_int_equal(s.state, PROVIDER_STOPPED);
	assert_int_equal(run(f, &x), PROVIDER_ASLEEP);
	assert_int_equal(finish(f, provider_keep_alive(f->p, f->box.id, 60, call(f))),
			 PROVIDER_ASLEEP);
	for (int i = 0; i < 2; i++)
		assert_int_equal(finish(f, provider_start(f->p, f->box.id, call(f))), 0);
	assert_string_equal(sh(f, "cat ~/kept"), "kept\n");
	assert_int_equal(finish(f, provider_keep_alive(f->p, f->box.id, 3600, call(f))), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(finish(f, provider_delete(f->p, f->box.id, call(f))), 0);
	assert_int_equal(finish(f, provider_get(f->p, f->box.id, &s, call(f))), PROVIDER_GONE);
	assert_int_equal(run(f, &x), PROVIDER_GONE);
	assert_int_equal(finish(f, provider_start(f->p, f->box.id, call(f))), PROVIDER_GONE);
}

static void describes_what_it_made(void **state)
{
	static const char *const labels[] = {"team=red", NULL};
	struct provider_spec spec = {.label = "other", .labels = labels, .idle_seconds = 600};
	struct provider_sandbox s, t;
	struct fixture *f = *state;

	assert_int_equal(finish(f, provider_create(f->p, &spec, &s, call(f))), 0);
	assert_int_equal(s.state, PROVIDER_RUNNING);
	assert_string_equal(s.label, "other");
	assert_int_equal(s.idle_seconds, 600);
	assert_int_equal(finish(f, provider_get(f->p, s.id, &t, call(f))), 0);
	assert_string_equal(t.id, s.id);
	assert_string_equal(provider_label(&t, "team"), "red");
	spec = (struct provider_spec){.image = "no-such-snapshot"};
	(void)finish(f, provider_create(f->p, &spec, &t, call(f)));
	spec = (struct provider_spec){.memory_bytes = 1 << 30};
	assert_int_equal(finish(f, provider_create(f->p, &spec, &t, call(f))),
			 PROVIDER_REFUSED);
}

struct ids {
	char id[16][PROVIDER_ID_MAX];
	size_t n;
};

static int note(const struct provider_sandbox *s, void *arg)
{
	struct ids *ids = arg;

	assert_true(ids->n < 16);
	memcpy(ids->id[ids->n++], s->id, PROVIDER_ID_MAX);
	return 0;
}

static void lists_all_in_pages_and_by_label(void **state)
{
	static const char *const labels[] = {"team=red", NULL};
	struct provider_spec spec = {.label = "x"};
	struct provider_sandbox s;
	struct ids ids = {0}, red = {0};
	char after[PROVIDER_TOKEN_MAX] = "";
	struct provider_page page = {.limit = 2, .fn = note, .arg = &ids};
	struct fixture *f = *state;

	for (int i = 0; i < 4; i++) {
		spec.labels = i == 2 ? labels : NULL;
		assert_int_equal(finish(f, provider_create(f->p, &spec, &s, call(f))), 0);
	}
	do {
		page.after = after[0] ? after : NULL;
		assert_int_equal(finish(f, provider_list(f->p, &page, call(f))), 0);
		memcpy(after, page.next, sizeof(after));
	} while (after[0]);
	assert_int_equal(ids.n, 5);
	for (size_t i = 0; i < ids.n; i++) {
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(ids.id[i], ids.id[j]);
	}
	page = (struct provider_page){.labels = labels, .fn = note, .arg = &red};
	assert_int_equal(finish(f, provider_list(f->p, &page, call(f))), 0);
	assert_int_equal(red.n, 1);
}

static void shows_a_port(void **state)
{
	struct provider_preview v = {.port = 3000, .sign = true};
	struct fixture *f = *state;

	assert_int_equal(finish(f, provider_url(f->p, f->box.id, &v, call(f))), 0);
	assert_true(strncmp(v.url, "http", 4) == 0);
	assert_string_equal(v.header, "");
	assert_true(v.expires > 0);
	v = (struct provider_preview){.port = 3000};
	assert_int_equal(finish(f, provider_url(f->p, f->box.id, &v, call(f))), 0);
	assert_true(strncmp(v.header, "X-Daytona-Preview-Token: ", 25) == 0);
}

static void measures_what_it_uses(void **state)
{
	struct provider_metrics m = {0};
	struct fixture *f = *state;

	assert_int_equal(finish(f, provider_metrics(f->p, f->box.id, &m, call(f))), 0);
	assert_true(m.n_processes > 0);
	assert_true(m.time > 0);
}

static void opens_the_agents_stream(void **state)
{
	struct channel *ch = NULL;
	struct fixture *f = *state;

	assert_int_equal(finish(f, provider_agent_open(f->p, f->box.id, &ch, call(f))), 0);
	assert_non_null(ch);
	ch->ops->close(ch);
}

static void many_commands_run_on_one_thread(void **state)
{
	enum { MANY = 24 };
	struct provider_exec x[MANY] = {0};
	struct provider_call c[MANY];
	struct fixture *f = *state;

	buf_clear(&f->out);
	f->n_done = 0;
	for (int i = 0; i < MANY; i++) {
		x[i] = (struct provider_exec){.shell = "echo one; sleep 0.2; exit 3",
					      .on_output = took};
		c[i] = (struct provider_call){
			.done = ended, .arg = f, .deadline_ms = PATIENCE_MS};
		assert_int_equal(provider_exec(f->p, f->box.id, &x[i], &c[i]), 0);
	}
	while (f->n_done < MANY)
		assert_true(provider_poll(f->p, NULL, 0, 1000) >= 0);
	assert_int_equal(f->out.len, 4 * MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(x[i].status, 3);
}

int main(int argc, char **argv)
{
#define T(fn)   cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define OLD(fn) cmocka_unit_test_setup_teardown(fn, setup_old, teardown)
	const struct CMUnitTest tests[] = {

		T(runs_a_command_to_the_byte),
		T(output_comes_while_it_runs),
		T(input_streams_whole_and_in_order),
		T(a_large_output_comes_whole),
		T(a_signal_ends_it),
		T(a_call_that_ends_takes_its_command_along),
		T(a_background_command_is_found_again),
		T(a_background_command_can_be_killed),
		T(a_terminal_is_one),
		T(files_keep_bytes_modes_and_names),
		T(a_put_replaces_and_does_not_write_through),
		T(what_is_no_file_is_refused),
		OLD(what_is_no_file_is_refused),
		T(files_stream_with_back_pressure),
		T(stops_starts_and_goes),
		OLD(stops_starts_and_goes),
		T(describes_what_it_made),
		T(lists_all_in_pages_and_by_label),
		T(shows_a_port),
		T(measures_what_it_uses),
		T(opens_the_agents_stream),
		T(many_commands_run_on_one_thread),
	};

	assert(argc > 1);
	agent_path = argv[1];
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
