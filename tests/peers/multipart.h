/* tests/peers/multipart.h - multipart/form-data, cut up as it arrives.
 *
 * A parser of ours, since what file names mean here differs from vendor to vendor: names are handed on as they stand
 * in the header, undone by the rules of Go's media type parser (multipart_param()).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { MULTIPART_BOUNDARY_MAX = 200, MULTIPART_HEAD_MAX = 16 << 10 };

enum multipart_event {
	MULTIPART_PART, /* a part begins: `data` is its Content-Disposition, NUL-terminated */
	MULTIPART_DATA, /* bytes of it */
	MULTIPART_END,  /* it ended */
};

/* False stops the parser: multipart_feed() returns -ECANCELED. */
typedef bool (*multipart_fn)(void *arg, enum multipart_event e, const char *data, size_t len);

struct multipart {
	struct buf in;                             /* not yet understood */
	char boundary[MULTIPART_BOUNDARY_MAX + 8]; /* "\r\n--" and the client's */
	size_t boundary_len;
	int state;
	multipart_fn fn;
	void *arg;
};

/* 0, or -EINVAL (silent) when `content_type` is no multipart type with a boundary. */
int multipart_init(struct multipart *m, const char *content_type, multipart_fn fn, void *arg);
void multipart_deinit(struct multipart *m);
/* 0, -ECANCELED, or -EINVAL (silent) when this is no multipart. */
int multipart_feed(struct multipart *m, const void *data, size_t len);
/* Was the closing boundary seen? */
bool multipart_is_whole(const struct multipart *m);

/* The parameter `name` of a header's value; `name*` (RFC 2231, UTF-8) is undone too. False when absent or malformed. */
bool multipart_param(struct buf *ret, const char *value, const char *name);
