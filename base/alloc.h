/* base/alloc.h - small allocations that cannot fail.
 *
 * A store that survives `kill -9` survives an abort, so running out of memory
 * for a small, fixed-size thing ends the process at once and on purpose.
 * Anything whose size is decided by input goes through `buf` (base/buf.h),
 * which has a ceiling and fails softly.
 */
#pragma once

#include <stddef.h>

/* `size` zeroed bytes; never NULL. Free with free(). */
void *alloc_zero(size_t size);

/* `n` zeroed elements of `size` bytes; aborts when the product overflows. */
void *alloc_array(size_t n, size_t size);

/* A copy of `len` bytes followed by a NUL. */
char *alloc_copy(const void *data, size_t len);

/* A copy of a string; NULL for NULL. */
char *alloc_str(const char *s);

/* printf into a fresh string. */
char *alloc_fmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Grows `*p`, an array of `*cap` elements of `size` bytes, until it holds `need`
 * elements; grows by half at least, new elements are not zeroed. */
void alloc_grow(void *p, size_t *cap, size_t need, size_t size);
