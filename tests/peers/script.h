/* tests/peers/script.h - small shell programs run inside a sandbox, to their end.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct guest;

/* What the scripts of the server exit with. */
enum script_exit {
	SCRIPT_FAILED = 1, /* the last line of `err` says why */
	SCRIPT_MISSING = 44,
	SCRIPT_NOT_DIR,
	SCRIPT_IS_DIR,
	SCRIPT_EXISTS,
	SCRIPT_IN_THE_WAY, /* a file where a folder of the path should be */
};

enum { SCRIPT_OUT_MAX = 64 << 20, SCRIPT_ERR_MAX = 64 << 10, SCRIPT_ASLEEP = 1000 };

struct script {
	const char *text;        /* for /bin/sh; sees the args as "$1" … */
	const char *const *args; /* NULL-terminated */
	const void *in;
	size_t in_len;
	struct buf *out, *err; /* may be NULL; the caller's, emptied first */
};

/* Returns its exit status, SCRIPT_ASLEEP when the sandbox does not run, or a fault. */
int script_run(struct guest *g, const struct script *s);

/* The last line of `err` without the shell's own words before it; never empty. */
const char *script_words(struct buf *err);

/* Appends `s` quoted for a shell. */
int script_quote(struct buf *b, const char *s);

/* Sets the size of the terminal that the process has made for its child (script(1) does): by stty(1) on the terminal that
 * /proc names. As script_run(). */
int script_resize(struct guest *g, uint32_t pid, int rows, int cols);
