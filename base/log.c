/* The log sink: one write(2) per line.
 *
 * A line is built in full, made printable, and written by a single call, so lines of
 * several threads and processes do not mix. The sink is one of the few file-scope
 * variables of the program; it is set once by main() and read without a lock
 * afterwards. The capture pointer belongs to its thread.
 *
 * fail_at() lives here too, because a fault is nothing but a line and a number.
 */
#include "base/log.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/utf8.h"

enum { LINE_LIMIT = 4096 };

static struct {
	int fd;
	enum log_level max;
	bool stamped;
} sink = {STDERR_FILENO, LOG_LEVEL_WARN, false};

static _Thread_local struct buf *capture;

void log_open(int fd, enum log_level max, bool stamped)
{
	sink.fd = fd;
	sink.max = max;
	sink.stamped = stamped;
}

void log_capture(struct buf *into)
{
	capture = into;
}

static void put_stamp(struct buf *b, enum log_level level)
{
	static const char names[][6] = {"err", "warn", "info", "debug"};
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	(void)buf_fmt(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s ", tm.tm_year + 1900,
		      tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		      ts.tv_nsec / 1000000, names[level]);
}

void log_vat(enum log_level level, const char *fmt, va_list ap)
{
	char raw[LINE_LIMIT / 4];
	CLEANUP(buf_deinit) struct buf line;
	size_t start, n;
	int len;

	/* Before any return: scope frees it. */
	buf_init(&line, LINE_LIMIT + 64);
	if (level > sink.max && !(capture && level <= LOG_LEVEL_WARN))
		return;
	len = vsnprintf(raw, sizeof(raw), fmt, ap);
	n = len < 0 ? 0 : (size_t)len;
	if (n >= sizeof(raw))
		n = sizeof(raw) - 1;
	if (sink.stamped)
		put_stamp(&line, level);
	else
		(void)buf_str(&line, "frag: ");
	start = line.len;
	(void)utf8_printable(&line, raw, n);
	if (capture && level <= LOG_LEVEL_WARN) {
		(void)buf_add(capture, line.data + start, line.len - start);
		(void)buf_add(capture, "\n", 1);
	}
	if (level > sink.max || sink.fd < 0)
		return;
	(void)buf_add(&line, "\n", 1);
	(void)!write(sink.fd, line.data, line.len);
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vat(level, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 4, 0))) static int
fail_v(const char *where, int err, const char *words, const char *fmt, va_list ap)
{
	char msg[LINE_LIMIT / 4];

	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	log_at(LOG_LEVEL_ERR, "%s: %s [%s]", msg, words, where);
	return err;
}

int fail_at(const char *file, int line, int err, const char *fmt, ...)
{
	char where[128], words[128];
	va_list ap;
	int r;

	(void)snprintf(where, sizeof(where), "%s:%d", file, line);
	va_start(ap, fmt);
	r = fail_v(where, err, strerror_r(-err, words, sizeof(words)), fmt, ap);
	va_end(ap);
	return r;
}

int fail_words_at(const char *file, int line, int err, const char *words, const char *fmt, ...)
{
	char where[128];
	va_list ap;
	int r;

	(void)snprintf(where, sizeof(where), "%s:%d", file, line);
	va_start(ap, fmt);
	r = fail_v(where, err, words, fmt, ap);
	va_end(ap);
	return r;
}
