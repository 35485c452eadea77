/* base/base64.h - bytes in letters (RFC 4648, with padding). */
#pragma once

#include <stddef.h>

struct buf;

/* Appends the letters of `data`. 0, -E2BIG or -ENOMEM (silent). */
int base64_put(struct buf *b, const void *data, size_t len);

/* Appends the bytes that `text` stands for; the URL-safe alphabet and missing padding are taken too. 0, -EINVAL when it is no
 * base64, -E2BIG or -ENOMEM (silent); `b` is unchanged unless 0 is returned. */
int base64_get(struct buf *b, const char *text, size_t len);
