/* base/sha1.h - the hash git names objects by, where there is no libgit2: in the agent, and at its border.
 *
 * Not for history that others hand us: libgit2's own is, since it detects collisions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct sha1 {
	uint32_t h[5];
	uint64_t len;
	unsigned char block[64];
};

void sha1_init(struct sha1 *s);
void sha1_add(struct sha1 *s, const void *data, size_t len);
void sha1_end(struct sha1 *s, struct oid *ret);

/* Starts the id of a blob of `size` bytes; add exactly these. */
void sha1_init_blob(struct sha1 *s, uint64_t size);

/* The id of a blob that is in memory. */
void sha1_blob(const void *data, size_t len, struct oid *ret);
