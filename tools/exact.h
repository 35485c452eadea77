/* tools/exact.h - JSON fields for bytes that need not be UTF-8.
 */
#pragma once

#include <stddef.h>

struct json_out;
struct oid;

/* "key": the text with U+FFFD for what is not UTF-8, and in that case also "key_hex": every byte in hexadecimal. */
void exact_field(struct json_out *o, const char *key, const char *s, size_t len);

/* An object id in 40 digits; null when it is all zero. */
void exact_oid_field(struct json_out *o, const char *key, const struct oid *oid);

/* A time as ISO 8601 with its zone. */
void exact_time_field(struct json_out *o, const char *key, long long seconds, int tz);
