/* base/error.h - two kinds of no.
 *
 * Functions return int: 0 is done; a positive value is an outcome that their header
 * names (`REF_MOVED`) and the direct caller settles; a negative errno is a fault.
 * A fault is said once, where it was born, by fail(); callers pass it up bare.
 */
#pragma once

/* Logs "<message>: <strerror> [file:line]" as err and returns `err`, which must be a
 * negative errno. Borders to libraries have their own (fail_git, fail_mdb) that quote
 * the library's words. */
#define fail(err, ...) fail_at(__FILE__, __LINE__, (err), __VA_ARGS__)

int fail_at(const char *file, int line, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));

/* The same, with the library's words instead of strerror's. */
int fail_words_at(const char *file, int line, int err, const char *words, const char *fmt, ...)
	__attribute__((format(printf, 5, 6), cold));
