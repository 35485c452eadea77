/* fs/ident.h - who a node is, and what stat calls it.
 *
 * A key is 128 bits under a secret drawn at mount time: two different things never share one, even when
 * somebody crafts names for it, so the node table compares nothing else. A node's st_ino is 64 bits under a
 * constant, so that it is the same after every remount; if two of those ever met, a tool would see one inode
 * number twice, and no content would be mixed up.
 */
#pragma once

#include <stdint.h>

#include "base/oid.h"

struct ident_secret {
	uint64_t k[2];
};

struct ident_key {
	uint64_t w[2];
};

struct ident {
	struct ident_key key;
	uint64_t ino;
};

/* Draws a secret. 0 or a fault. */
int ident_secret_draw(struct ident_secret *ret);

/* The thing called `name` below `parent`. */
struct ident ident_child(const struct ident_secret *s, const struct ident *parent,
			 const char *name, size_t len);

/* The thing number `n` of sort `sort` in `scope` (process-wide unique) / `stable` (same after remount). */
struct ident_scope {
	uint64_t serial, stable;
};
struct ident ident_numbered(const struct ident_secret *s, const struct ident_scope *scope,
			    unsigned sort, uint64_t n);

/* The blob `oid` with `mode`, wherever in the scope it appears. */
struct ident ident_blob(const struct ident_secret *s, const struct ident_scope *scope,
			const struct oid *oid, uint32_t mode);

/* SipHash-2-4 with 128 bits of output, for tests against the published vectors. */
void ident_siphash(const uint64_t key[2], const void *data, size_t len, uint64_t ret[2]);
