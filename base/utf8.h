/* base/utf8.h - foreign bytes made safe to show.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Length of the well-formed UTF-8 sequence at `s`, or 0 when there is none. */
size_t utf8_step(const char *s, size_t len);

bool utf8_valid(const char *s, size_t len);

/* Appends `s`; control characters, DEL, bidirectional controls and malformed bytes become
 * \xNN per byte, a backslash stays. 0 or buf's faults. */
int utf8_printable(struct buf *b, const char *s, size_t len);
