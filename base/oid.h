/* base/oid.h - git object ids (SHA-1; 20 bytes).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { OID_LEN = 20, OID_HEX_LEN = 40 };

struct oid {
	unsigned char id[OID_LEN];
};

/* Writes 40 lower-case digits and a NUL into `ret`, and returns it. */
char *oid_hex(const struct oid *oid, char ret[OID_HEX_LEN + 1]);

/* Reads exactly 40 hexadecimal digits. False, and `ret` untouched, for anything else. */
bool oid_parse(const char *hex, size_t len, struct oid *ret);

static inline int oid_cmp(const struct oid *a, const struct oid *b)
{
	return memcmp(a->id, b->id, OID_LEN);
}

static inline bool oid_eq(const struct oid *a, const struct oid *b)
{
	return memcmp(a->id, b->id, OID_LEN) == 0;
}

static inline bool oid_is_zero(const struct oid *a)
{
	static const struct oid zero;
	return oid_eq(a, &zero);
}

/* The first eight bytes as a number: object ids are already well mixed. */
static inline uint64_t oid_hash(const struct oid *a)
{
	uint64_t h;
	memcpy(&h, a->id, sizeof(h));
	return h;
}
