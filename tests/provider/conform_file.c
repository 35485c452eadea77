/* tests/provider/conform_file.c - bytes in and out. */
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
#include "tests/provider/conform_test.h"

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

const struct conform_row file_rows[] = {
	CONFORM(keeps_bytes_of_any_kind_under_names_of_any_kind, 0),
	CONFORM(streams_files_both_ways_and_waits_for_whoever_is_slow, PROVIDER_CAP_STREAMS),
	CONFORM(refuses_to_read_what_is_not_there, 0),
	CONFORM(stops_at_the_ceiling_of_its_reader, 0),
	CONFORM(gives_files_their_mode, PROVIDER_CAP_MODES | PROVIDER_CAP_EXEC),
	{{0}, 0},
};
