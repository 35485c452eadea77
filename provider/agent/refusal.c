/* provider/agent/refusal.c - words for what went wrong, bounded.
 *
 * A path in a message may be cut; the code says what to do, the words are for people.
 */
#include "provider/agent/refusal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int refuse(struct refusal *r, enum wire_error code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->words, sizeof(r->words), fmt, ap);
	va_end(ap);
	return (int)code;
}

static const char *io_words(int err)
{
	switch (err) {
	case ENOSPC:
		return "the disk is full";
	case EDQUOT:
		return "the disk quota is used up";
	case EFBIG:
		return "the file is larger than the sandbox allows";
	default:
		return strerror(err); /* one thread */
	}
}

int refuse_io(struct refusal *r, int err, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	(void)vsnprintf(r->words, sizeof(r->words), fmt, ap);
	va_end(ap);
	/* The reason must survive a path that fills the buffer. */
	len = strlen(r->words);
	if (len > sizeof(r->words) - 80)
		len = sizeof(r->words) - 80;
	(void)snprintf(r->words + len, sizeof(r->words) - len, ": %s", io_words(abs(err)));
	return WIRE_E_IO;
}
