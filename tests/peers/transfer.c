/* tests/peers/transfer.c - cat(1) inside, flow control outside.
 *
 * Each transfer is one process in the sandbox. Its pipes and the run's bounds keep a fast side from filling memory
 * for a slow one.
 */
#include "tests/peers/transfer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tests/peers/guest.h"
#include "tests/peers/run.h"
#include "tests/peers/script.h"

struct sink {
	struct run *run;
	struct listener *listener;
	uint64_t len;
};

int sink_open(struct guest *g, const char *path, struct sink **ret, char *why)
{
	static const char text[] =
		"if [ -d \"$1\" ]; then echo 'path is a directory' >&2; exit 46; fi\n"
		"case $1 in */*) d=${1%/*}; if [ -n \"$d\" ] && [ ! -d \"$d\" ]; then "
		"mkdir -p -- \"$d\" 2>/dev/null || { "
		"echo 'error ensuring directories: path is a file' >&2; exit 48; }; fi;; esac\n"
		"exec cat >\"$1\"";
	const char *const argv[] = {"/bin/sh", "-c", text, "sh", path, NULL};
	char words[RUN_WHY_MAX];
	struct run *run;
	int r = run_start(g, &(struct run_spec){.argv = argv, .hold = true}, &run, words);

	if (r) {
		(void)snprintf(why, 256, "%.255s", words);
		return r == RUN_ASLEEP ? SCRIPT_ASLEEP : SCRIPT_FAILED;
	}
	*ret = alloc_zero(sizeof(**ret));
	**ret = (struct sink){.run = run, .listener = run_listen(run, true)};
	return 0;
}

bool sink_write(struct sink *s, const void *data, size_t len)
{
	s->len += len;
	return run_input(s->run, data, len);
}

uint64_t sink_len(const struct sink *s)
{
	return s->len;
}

int sink_close(struct sink *s, char *why)
{
	struct buf err;
	struct piece p;
	int status = 0, end;

	buf_init(&err, SCRIPT_ERR_MAX);
	run_close_input(s->run);
	while (!run_next(s->listener, -1, -1, &p))
		(void)buf_add(&err, p.data, p.len);
	end = run_state(s->run, &status, NULL);
	(void)snprintf(why, 256, "%s", script_words(&err));
	if (end != RUN_EXITED)
		status = SCRIPT_ASLEEP;
	buf_deinit(&err);
	run_unlisten(s->listener);
	run_unref(s->run);
	free(s);
	return status;
}

int file_facts(struct guest *g, const char *path, struct file_facts *ret, char *why)
{
	static const char text[] =
		"[ -e \"$1\" ] || { echo \"path '$1' does not exist\" >&2; exit 44; }\n"
		"[ -d \"$1\" ] && { echo \"path '$1' is a directory\" >&2; exit 46; }\n"
		"[ -r \"$1\" ] || { echo \"open $1: permission denied\" >&2; exit 1; }\n"
		"exec stat -L -c '%s %Y' -- \"$1\"";
	const char *const args[] = {path, NULL};
	struct buf out, err;
	unsigned long long size = 0;
	long long mtime = 0;
	int r;

	buf_init(&out, 4096);
	buf_init(&err, SCRIPT_ERR_MAX);
	r = script_run(g,
		       &(struct script){.text = text, .args = args, .out = &out, .err = &err});
	if (!r && sscanf(out.data, "%llu %lld", &size, &mtime) != 2)
		r = -EPROTO;
	(void)snprintf(why, 256, "%s", script_words(&err));
	*ret = (struct file_facts){.size = size, .mtime = mtime, .is_dir = r == SCRIPT_IS_DIR};
	buf_deinit(&out);
	buf_deinit(&err);
	return r;
}

struct tap {
	struct run *run;
	struct listener *listener;
	struct piece piece;
	size_t used;
	uint64_t left;
};

int tap_open(struct guest *g, const char *path, uint64_t at, uint64_t len, struct tap **ret,
	     char *why)
{
	static const char text[] =
		"[ \"$2\" = 1 ] && exec cat -- \"$1\"\nexec tail -c \"+$2\" -- \"$1\"";
	char from[24];
	const char *const argv[] = {"/bin/sh", "-c", text, "sh", path, from, NULL};
	char words[RUN_WHY_MAX];
	struct run *run;
	int r;

	(void)snprintf(from, sizeof(from), "%llu", (unsigned long long)at + 1);
	r = run_start(g, &(struct run_spec){.argv = argv, .hold = true}, &run, words);
	if (r) {
		(void)snprintf(why, 256, "%.255s", words);
		return r == RUN_ASLEEP ? SCRIPT_ASLEEP : SCRIPT_FAILED;
	}
	run_close_input(run);
	*ret = alloc_zero(sizeof(**ret));
	**ret = (struct tap){.run = run, .listener = run_listen(run, true), .left = len};
	return 0;
}

ssize_t tap_read(struct tap *t, char *to, size_t max)
{
	size_t n;

	while (t->left && t->used == t->piece.len) {
		t->used = 0;
		do {
			if (run_next(t->listener, -1, -1, &t->piece))
				return -EPIPE;
		} while (t->piece.fd != 1);
	}
	n = t->piece.len - t->used;
	n = n < max ? n : max;
	n = n < t->left ? n : (size_t)t->left;
	if (n)
		memcpy(to, t->piece.data + t->used, n);
	t->used += n;
	t->left -= n;
	return (ssize_t)n;
}

void tap_close(struct tap *t)
{
	if (run_state(t->run, NULL, NULL) == RUN_RUNS)
		run_signal(t->run, SIGKILL);
	run_unlisten(t->listener);
	run_unref(t->run);
	free(t);
}

static ssize_t read_tap(void *arg, uint64_t at, char *to, size_t max)
{
	ssize_t n = tap_read(arg, to, max);

	return n > 0 ? n
	       : n   ? MHD_CONTENT_READER_END_WITH_ERROR
		     : MHD_CONTENT_READER_END_OF_STREAM;
}

static void close_tap(void *arg)
{
	tap_close(arg);
}

/* "bytes=2-4", "bytes=2-", "bytes=-4". 0: the whole file, 1: this part, -1: none of it is there. */
static int read_range(const char *text, uint64_t size, uint64_t *at, uint64_t *len)
{
	unsigned long long first, last;
	char *end;

	*at = 0;
	*len = size;
	if (!text || strncmp(text, "bytes=", 6))
		return 0;
	text += 6;
	if (*text == '-') {
		last = strtoull(text + 1, &end, 10);
		if (*end || end == text + 1)
			return 0;
		last = last < size ? last : size;
		*at = size - last;
		*len = last;
		return last ? 1 : -1;
	}
	first = strtoull(text, &end, 10);
	if (*end != '-' || end == text)
		return 0;
	last = size ? size - 1 : 0;
	if (end[1]) {
		unsigned long long asked = strtoull(end + 1, &end, 10);

		last = asked < last ? asked : last;
		if (*end)
			return 0;
	}
	if (first >= size || last < first)
		return -1;
	*at = first;
	*len = last - first + 1;
	return 1;
}

static void http_time(int64_t t, char *to, size_t size)
{
	time_t at = (time_t)t;
	struct tm tm;

	(void)gmtime_r(&at, &tm);
	(void)strftime(to, size, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

void send_file(struct request *r, const char *path, const struct file_facts *facts,
	       const char *type, const char *disposition)
{
	const char *since = request_header(r, MHD_HTTP_HEADER_IF_MODIFIED_SINCE);
	char modified[64], range[96], why[256];
	const char *headers[] = {"Last-Modified",
				 modified,
				 "Accept-Ranges",
				 "bytes",
				 "Content-Disposition",
				 disposition,
				 "Content-Range",
				 range,
				 NULL};
	struct reply how = {.status = 200, .type = type, .headers = headers};
	uint64_t at, len;
	struct tap *tap;
	int part = read_range(request_header(r, "Range"), facts->size, &at, &len);

	http_time(facts->mtime, modified, sizeof(modified));
	(void)snprintf(range, sizeof(range), "bytes %llu-%llu/%llu", (unsigned long long)at,
		       (unsigned long long)(at + len - 1), (unsigned long long)facts->size);
	if (since && !strcmp(since, modified)) {
		reply_empty(r, 304);
		return;
	}
	if (part < 0) {
		reply_text(r, 416, "invalid range: failed to overlap\n");
		return;
	}
	if (part)
		how.status = 206;
	else
		headers[6] = NULL;
	if (tap_open(r->guest, path, at, len, &tap, why)) {
		reply_text(r, 500, why);
		return;
	}
	reply_stream(
		r, &how,
		&(struct reply_source){
			.read = read_tap, .free = close_tap, .arg = tap, .len = (int64_t)len});
}
