/* tests/provider/test_conform.c - what provider.h promises, of whichever provider is named.
 *
 *	test_conform SUBJECT AGENT FRAG
 */
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
#include "base/log.h"
#include "provider/agent/wire.h"
#include "tests/provider/conform_call.h"

static const struct subject *subject;
static const char *agent_path, *frag_path;

struct fixture {
	struct conform c;
	struct provider_sandbox box;
	struct watched w;
};

static int create(struct fixture *f, struct provider_sandbox *ret)
{
	return watched_end(
		&f->w, provider_create(f->c.p, &f->c.spec, ret, watched_begin(&f->w, 60000)));
}

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));
	const char *why;

	scratch_init(&f->c.s);
	f->c.agent = agent_path;
	f->c.frag = frag_path;
	f->c.spec.label = "demo";
	why = subject->make(&f->c);
	if (why)
		fail_msg("%s", why);
	watched_init(&f->w, &f->c);
	if (create(f, &f->box))
		fail_msg("create: %d %s", f->w.result, f->w.call.why);
	*state = f;
	return 0;
}

static int delete_one(struct fixture *f, const char *id)
{
	return watched_end(&f->w, provider_delete(f->c.p, id, watched_begin(&f->w, 60000)));
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(delete_one(f, f->box.id), 0);
	provider_free(f->c.p);
	if (subject->end)
		subject->end(&f->c);
	watched_deinit(&f->w);
	scratch_deinit(&f->c.s);
	free(f);
	return 0;
}

/* One verb on the sandbox, by its function. */
#define ON(f, verb)                                                                            \
	watched_end(&(f)->w,                                                                   \
		    provider_##verb((f)->c.p, (f)->box.id, watched_begin(&(f)->w, 60000)))

static int get(struct fixture *f, struct provider_sandbox *ret)
{
	return watched_end(&f->w,
			   provider_get(f->c.p, f->box.id, ret, watched_begin(&f->w, 60000)));
}

static int sh(struct fixture *f, const char *line)
{
	f->w.exec.argv = NULL;
	f->w.exec.shell = line;
	return watched_exec(&f->w, f->box.id, 60000);
}

static void assert_says(struct fixture *f, const char *line, const char *want)
{
	int r = sh(f, line);

	if (r)
		fail_msg("%s: %d %s", line, r, f->w.call.why);
	assert_string_equal(f->w.out.data, want);
}

static void shows_what_it_made(void **state)
{
	struct fixture *f = *state;
	struct provider_sandbox s;

	assert_int_equal(get(f, &s), 0);
	assert_string_equal(s.id, f->box.id);
	assert_string_equal(s.label, "demo");
	assert_int_equal(s.state, PROVIDER_RUNNING);
	assert_true(s.created > 1500000000 || s.created == f->box.created);
}

static void says_gone_of_what_was_deleted(void **state)
{
	struct fixture *f = *state;
	struct provider_sandbox s, other;
	char id[PROVIDER_ID_MAX];

	assert_int_equal(create(f, &other), 0);
	memcpy(id, f->box.id, sizeof(id));
	assert_int_equal(delete_one(f, id), 0);
	assert_int_equal(get(f, &s), PROVIDER_GONE);
	assert_int_equal(ON(f, start), PROVIDER_GONE);
	assert_int_equal(ON(f, stop), PROVIDER_GONE);
	assert_int_equal(delete_one(f, id), 0);
	if (provider_can(f->c.p, PROVIDER_CAP_EXEC))
		assert_int_equal(sh(f, "true"), PROVIDER_GONE);
	f->box = other;
	assert_int_equal(get(f, &s), 0);
}

struct seen {
	struct fixture *f;
	char ids[16][PROVIDER_ID_MAX];
	size_t n;
};

static int see(const struct provider_sandbox *s, void *arg)
{
	struct seen *seen = arg;

	assert_true(seen->n < 16);
	memcpy(seen->ids[seen->n++], s->id, sizeof(s->id));
	return 0;
}

static bool has(const struct seen *seen, const char *id)
{
	for (size_t i = 0; i < seen->n; i++)
		if (!strcmp(seen->ids[i], id))
			return true;
	return false;
}

/* All pages. */
static void list(struct fixture *f, struct seen *seen, uint32_t limit,
		 const char *const *labels)
{
	struct provider_page page = {.fn = see, .arg = seen, .limit = limit, .labels = labels};
	char after[PROVIDER_TOKEN_MAX];
	size_t before;

	seen->n = 0;
	do {
		before = seen->n;
		assert_int_equal(watched_end(&f->w, provider_list(f->c.p, &page,
								  watched_begin(&f->w, 60000))),
				 0);
		assert_true(!limit || seen->n - before <= limit);
		memcpy(after, page.next, sizeof(after));
		page.after = after;
	} while (after[0]);
}

static void lists_each_once_on_pages_of_any_size(void **state)
{
	struct fixture *f = *state;
	struct provider_sandbox more[4];
	struct seen seen;

	for (int i = 0; i < 4; i++)
		assert_int_equal(create(f, &more[i]), 0);
	for (uint32_t limit = 0; limit < 7; limit++) {
		list(f, &seen, limit, NULL);
		assert_int_equal(seen.n, 5);
		assert_true(has(&seen, f->box.id));
		for (int i = 0; i < 4; i++)
			assert_true(has(&seen, more[i].id));
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(delete_one(f, more[i].id), 0);
	list(f, &seen, 0, NULL);
	assert_int_equal(seen.n, 1);
}

static void keeps_labels_and_lists_by_them(void **state)
{
	static const char *const red[] = {"colour=red", "size=a b", NULL};
	static const char *const by_red[] = {"colour=red", NULL};
	static const char *const by_blue[] = {"colour=blue", NULL};
	struct fixture *f = *state;
	struct provider_sandbox other, s;
	struct seen seen;

	f->c.spec.labels = red;
	assert_int_equal(create(f, &other), 0);
	list(f, &seen, 0, by_red);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.ids[0], other.id);
	list(f, &seen, 0, by_blue);
	assert_int_equal(seen.n, 0);
	assert_int_equal(delete_one(f, f->box.id), 0);
	f->box = other;
	assert_int_equal(get(f, &s), 0);
	assert_string_equal(provider_label(&s, "size"), "a b");
	assert_null(provider_label(&s, "siz"));
}

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

/* Files. */

static int put(struct fixture *f, struct provider_file *file)
{
	return watched_end(&f->w,
			   provider_put(f->c.p, f->box.id, file, watched_begin(&f->w, 60000)));
}

static int fetch(struct fixture *f, struct provider_sink *to)
{
	return watched_end(&f->w,
			   provider_fetch(f->c.p, f->box.id, to, watched_begin(&f->w, 60000)));
}

static char *path_in(struct fixture *f, const char *name)
{
	return alloc_fmt("%s/%s", f->c.dir, name);
}

static void keeps_bytes_of_any_kind_under_names_of_any_kind(void **state)
{
	static const char *const names[] = {"plain", "a b/c'd\"e", "deep/er/down/ü", "-n",
					    "x?y=1&z#"};
	static const char zeros[] = "a\0b\r\n\xff\xfe";
	static const size_t sizes[] = {sizeof(zeros), 0, 1, 70000, 3 << 20};
	struct fixture *f = *state;

	for (size_t i = 0; i < 5; i++) {
		CLEANUP(free_p) char *path = path_in(f, names[i]);
		CLEANUP(free_p) char *data = alloc_zero(sizes[i] + 1);
		CLEANUP(buf_deinit) struct buf got = {0};
		struct provider_file file = {
			.path = path, .data = data, .len = sizes[i], .mode = 0644};
		struct provider_sink to = {.path = path, .into = &got};

		for (size_t k = 0; k < sizes[i]; k++)
			data[k] = i ? (char)(k * 31 + k / 251) : zeros[k];
		buf_init(&got, 8 << 20);
		if (put(f, &file))
			fail_msg("%s: %d %s", path, f->w.result, f->w.call.why);
		assert_int_equal(fetch(f, &to), 0);
		assert_int_equal(got.len, sizes[i]);
		assert_memory_equal(got.data, data, sizes[i]);
	}
}

struct stream {
	size_t at, len;
	unsigned pauses; /* how often it says -EAGAIN */
	struct provider_call *waiting;
};

static struct stream stream;

static char byte_at(size_t i)
{
	return (char)(i * 131 + i / 257);
}

static bool pause_now(struct provider_call *call)
{
	if (!stream.pauses || stream.waiting)
		return false;
	stream.pauses--;
	stream.waiting = call;
	return true;
}

static ssize_t read_stream(struct provider_call *call, void *data, size_t cap)
{
	size_t n = stream.len - stream.at < cap ? stream.len - stream.at : cap;

	if (pause_now(call))
		return -EAGAIN;
	stream.waiting = NULL;
	for (size_t i = 0; i < n; i++)
		((char *)data)[i] = byte_at(stream.at + i);
	stream.at += n;
	return (ssize_t)n;
}

static int write_stream(struct provider_call *call, const void *data, size_t len)
{
	if (pause_now(call))
		return -EAGAIN;
	stream.waiting = NULL;
	for (size_t i = 0; i < len; i++)
		if (((const char *)data)[i] != byte_at(stream.at + i))
			return -EILSEQ;
	stream.at += len;
	return 0;
}

/* Goes on with what paused, a moment later. */
static bool go_on(struct watched *w)
{
	if (stream.waiting)
		provider_more(w->c->p, &w->call);
	return false;
}

static void streams_files_both_ways_and_waits_for_whoever_is_slow(void **state)
{
	struct fixture *f = *state;
	CLEANUP(free_p) char *path = path_in(f, "stream");
	struct provider_file file = {
		.path = path, .on_read = read_stream, .size = 5 << 20, .mode = 0600};
	struct provider_sink to = {.path = path, .on_write = write_stream};
	int r;

	stream = (struct stream){.len = 5 << 20, .pauses = 3};
	r = provider_put(f->c.p, f->box.id, &file, watched_begin(&f->w, 60000));
	f->w.inside = false;
	assert_int_equal(r, 0);
	watched_wait(&f->w, go_on);
	assert_int_equal(f->w.result, 0);
	stream = (struct stream){.pauses = 3};
	assert_int_equal(provider_fetch(f->c.p, f->box.id, &to, watched_begin(&f->w, 60000)),
			 0);
	f->w.inside = false;
	watched_wait(&f->w, go_on);
	assert_int_equal(f->w.result, 0);
	assert_int_equal(stream.at, 5 << 20);
}

static void refuses_to_read_what_is_not_there(void **state)
{
	struct fixture *f = *state;
	CLEANUP(free_p) char *path = path_in(f, "no/such/file");
	CLEANUP(buf_deinit) struct buf got = {0};
	struct provider_sink to = {.path = path, .into = &got};

	buf_init(&got, 100);
	assert_int_equal(fetch(f, &to), PROVIDER_REFUSED);
	assert_int_equal(got.len, 0);
}

static void stops_at_the_ceiling_of_its_reader(void **state)
{
	struct fixture *f = *state;
	CLEANUP(free_p) char *path = path_in(f, "big");
	CLEANUP(free_p) char *data = alloc_zero(1 << 20);
	CLEANUP(buf_deinit) struct buf got = {0};
	struct provider_file file = {.path = path, .data = data, .len = 1 << 20};
	struct provider_sink to = {.path = path, .into = &got};

	buf_init(&got, 1000);
	assert_int_equal(put(f, &file), 0);
	assert_int_equal(fetch(f, &to), -E2BIG);
}

static void gives_files_their_mode(void **state)
{
	struct fixture *f = *state;
	CLEANUP(free_p) char *path = path_in(f, "tool");
	struct provider_file file = {.path = path, .data = "#!/bin/sh\necho ran\n", .len = 19};
	char line[200];

	file.mode = 0755;
	assert_int_equal(put(f, &file), 0);
	(void)snprintf(line, sizeof(line), "%s; stat -c %%a %s", path, path);
	assert_says(f, line, "ran\n755\n");
}

/* Life. */

static void keeps_files_while_it_is_stopped(void **state)
{
	struct fixture *f = *state;
	CLEANUP(free_p) char *path = path_in(f, "kept");
	CLEANUP(buf_deinit) struct buf got = {0};
	struct provider_file file = {.path = path, .data = "kept", .len = 4, .mode = 0644};
	struct provider_sink to = {.path = path, .into = &got};
	struct provider_sandbox s;

	buf_init(&got, 100);
	assert_int_equal(put(f, &file), 0);
	assert_int_equal(ON(f, stop), 0);
	assert_int_equal(get(f, &s), 0);
	assert_int_equal(s.state, PROVIDER_STOPPED);
	assert_int_equal(fetch(f, &to), PROVIDER_ASLEEP);
	assert_int_equal(ON(f, stop), 0);
	assert_int_equal(ON(f, start), 0);
	assert_int_equal(ON(f, start), 0);
	assert_int_equal(fetch(f, &to), 0);
	assert_string_equal(got.data, "kept");
}

static void goes_on_where_it_was_paused(void **state)
{
	struct fixture *f = *state;
	struct provider_sandbox s;

	assert_int_equal(ON(f, pause), 0);
	assert_int_equal(get(f, &s), 0);
	assert_int_equal(s.state, PROVIDER_PAUSED);
	if (provider_can(f->c.p, PROVIDER_CAP_EXEC))
		assert_int_equal(sh(f, "true"), PROVIDER_ASLEEP);
	assert_int_equal(ON(f, resume), 0);
	assert_int_equal(get(f, &s), 0);
	assert_int_equal(s.state, PROVIDER_RUNNING);
	if (provider_can(f->c.p, PROVIDER_CAP_EXEC))
		assert_says(f, "echo awake", "awake\n");
}

static void lives_as_long_as_it_is_told(void **state)
{
	struct fixture *f = *state;
	struct provider_sandbox s;

	assert_int_equal(watched_end(&f->w, provider_keep_alive(f->c.p, f->box.id, 7200,
								watched_begin(&f->w, 60000))),
			 0);
	assert_int_equal(get(f, &s), 0);
	assert_true(!s.expires || s.expires >= s.created + 7100);
}

static void says_what_it_uses(void **state)
{
	struct fixture *f = *state;
	struct provider_metrics m = {0};

	assert_int_equal(watched_end(&f->w, provider_metrics(f->c.p, f->box.id, &m,
							     watched_begin(&f->w, 60000))),
			 0);
	assert_true(m.time > 1500000000);
	assert_true(m.memory_bytes > 0);
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

/* A test, and what a provider has to be able to for it. */
struct row {
	struct CMUnitTest test;
	unsigned caps;
};

#define T(fn, caps)                                                                            \
	{                                                                                      \
		cmocka_unit_test_setup_teardown(fn, setup, teardown), caps                     \
	}

static const struct row rows[] = {
	T(shows_what_it_made, 0),
	T(says_gone_of_what_was_deleted, 0),
	T(lists_each_once_on_pages_of_any_size, 0),
	T(keeps_labels_and_lists_by_them, PROVIDER_CAP_LABELS),
	T(runs_words_without_a_shell, PROVIDER_CAP_EXEC),
	T(tells_how_a_command_ended, PROVIDER_CAP_EXEC),
	T(keeps_output_and_errors_apart, PROVIDER_CAP_EXEC | PROVIDER_CAP_SPLIT),
	T(goes_where_it_is_told_with_what_it_is_given, PROVIDER_CAP_EXEC),
	T(gives_input_and_its_end, PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_STDIN),
	T(is_fed_while_it_runs, PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_FEED),
	T(carries_megabytes_both_ways_unharmed,
	  PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_FEED | PROVIDER_CAP_SPLIT),
	T(signals_a_command, PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_SIGNAL),
	T(kills_what_is_cancelled, PROVIDER_CAP_EXEC),
	T(kills_what_takes_too_long, PROVIDER_CAP_EXEC),
	T(runs_many_at_once, PROVIDER_CAP_EXEC),
	T(holds_output_back, PROVIDER_CAP_EXEC | PROVIDER_CAP_EXEC_HOLD),
	T(keeps_bytes_of_any_kind_under_names_of_any_kind, 0),
	T(streams_files_both_ways_and_waits_for_whoever_is_slow, PROVIDER_CAP_STREAMS),
	T(refuses_to_read_what_is_not_there, 0),
	T(stops_at_the_ceiling_of_its_reader, 0),
	T(gives_files_their_mode, PROVIDER_CAP_MODES | PROVIDER_CAP_EXEC),
	T(keeps_files_while_it_is_stopped, PROVIDER_CAP_STOP),
	T(goes_on_where_it_was_paused, PROVIDER_CAP_PAUSE),
	T(lives_as_long_as_it_is_told, PROVIDER_CAP_LIFETIME),
	T(says_what_it_uses, PROVIDER_CAP_METRICS),
	T(attaches_to_what_runs_in_the_background, PROVIDER_CAP_BACKGROUND),
	T(lists_and_kills_what_runs_in_the_background, PROVIDER_CAP_BACKGROUND),
	T(gives_a_terminal, PROVIDER_CAP_TTY),
	T(opens_the_agents_stream, PROVIDER_CAP_AGENT),
};

enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

/* What the subject is able to. */
static unsigned caps_of_subject(void)
{
	struct conform c = {.agent = agent_path, .frag = frag_path};
	unsigned caps = 0;

	scratch_init(&c.s);
	if (!subject->make(&c)) {
		caps = provider_caps(c.p).flags;
		provider_free(c.p);
		if (subject->end)
			subject->end(&c);
	}
	scratch_deinit(&c.s);
	return caps;
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[N_ROWS];
	size_t n = 0;
	unsigned caps;

	if (argc != 4)
		return 2;
	for (subject = subjects; subject->name && strcmp(subject->name, argv[1]) != 0;
	     subject++)
		;
	if (!subject->name)
		return 2;
	agent_path = argv[2];
	frag_path = argv[3];
	(void)signal(SIGPIPE, SIG_IGN);
	log_open(-1, LOG_LEVEL_ERR, false);
	caps = caps_of_subject();
	for (size_t i = 0; i < N_ROWS; i++) {
		if ((rows[i].caps & caps) == rows[i].caps)
			tests[n++] = rows[i].test;
		else
			printf("# %s cannot: %s\n", subject->name, rows[i].test.name);
	}
	return _cmocka_run_group_tests(subject->name, tests, n, NULL, NULL);
}
