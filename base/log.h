/* base/log.h - one line per fact, to stderr or to the daemon's log file.
 *
 * err: a fault. warn: wrong but carried on, and says ", ignoring". info: a change
 * the user cares about. debug: the rest. Lines read `area: what '%s': why`.
 * Never tokens, never file content. Control bytes, escapes and invalid UTF-8 in a
 * message are written as \xNN, so names cannot forge lines or drive a terminal.
 * Thread-safe.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

struct buf;

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Where lines go: `fd` stays the caller's; `stamped` puts time and level in front. */
void log_open(int fd, enum log_level max, bool stamped);

/* From here on, err and warn lines of the calling thread are also appended to `into`
 * (without stamp, one per line), until log_capture(NULL). For a server that must tell
 * its client what went wrong. */
void log_capture(struct buf *into);

void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_vat(enum log_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

#define log_err(...)   log_at(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
