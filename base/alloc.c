/* Allocation for things of a known, small size.
 *
 * Every function here either succeeds or aborts with a line on stderr; callers
 * never check. That is honest only while nobody passes a size taken from
 * foreign bytes, which is what `buf` is for.
 */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *p)
{
	if (p)
		return p;
	(void)fputs("frag: out of memory\n", stderr);
	abort();
}

void *alloc_zero(size_t size)
{
	return or_die(calloc(1, size ? size : 1));
}

void *alloc_array(size_t n, size_t size)
{
	return or_die(calloc(n ? n : 1, size ? size : 1));
}

char *alloc_copy(const void *data, size_t len)
{
	char *p = or_die(malloc(len + 1));

	if (len)
		memcpy(p, data, len);
	p[len] = '\0';
	return p;
}

char *alloc_str(const char *s)
{
	return s ? alloc_copy(s, strlen(s)) : NULL;
}

char *alloc_fmt(const char *fmt, ...)
{
	char *p = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	return or_die(n < 0 ? NULL : p);
}

void alloc_grow(void *p, size_t *cap, size_t need, size_t size)
{
	size_t want = *cap + *cap / 2;
	void *now;

	if (need <= *cap)
		return;
	if (want < need)
		want = need;
	if (want < 8)
		want = 8;
	if (want > SIZE_MAX / size)
		or_die(NULL);
	memcpy(&now, p, sizeof(now));
	now = or_die(realloc(now, want * size));
	memcpy(p, &now, sizeof(now));
	*cap = want;
}
