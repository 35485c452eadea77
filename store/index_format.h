/* store/index_format.h - the bytes of the index.
 *
 * Keys are big-endian so that LMDB's order is ours; values are little-endian. Decoders distrust:
 * a value of another length than said here is treated as absent.
 *
 *	table     key                          value
 *	meta      "version"                    u32 INDEX_VERSION
 *	project   id u64                       struct index_project, below
 *	fragment  id u64, seq u32              commit[20] tree[20] time i64 tz i16 parents u16 slug…
 *	commit    id u64, commit oid[20]       seq u32
 *	blob      id u64, blob oid[20]         first seen i64, seconds since 1970
 *	size      id u64, blob oid[20]         size u64
 *	tree      id u64, tree oid[20]         complete listing (store/tree_format.h)
 *
 * project, fragment, commit and blob are written by a refresh and are the same, byte for byte, after
 * a rebuild (but for the fingerprint). size and tree fill up as things are asked for.
 *
 *	project value: version u8 (1), flags u8, last u32, count u32, fingerprint a u64, b u64,
 *	               fingerprint of refs/fragments u64, name…
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/oid.h"

/* Any other version found on disk means: rebuild. */
enum { INDEX_VERSION = 1 };

enum {
	INDEX_PROJECT_KEY_LEN = 8,
	INDEX_FRAGMENT_KEY_LEN = 8 + 4,
	INDEX_OID_KEY_LEN = 8 + OID_LEN,
	INDEX_FRAGMENT_FIXED_LEN = OID_LEN + OID_LEN + 8 + 2 + 2, /* before the slug */
	INDEX_PROJECT_FIXED_LEN = 1 + 1 + 4 + 4 + 8 + 8 + 8,      /* before the name */
	INDEX_COMMIT_LEN = 4,
	INDEX_BLOB_LEN = 8,
	INDEX_SIZE_LEN = 8,
};

enum index_project_flags {
	INDEX_PROJECT_COUNTED = 1 << 0, /* fingerprint, last and count belong together */
};

static inline void index_be64(uint64_t v, unsigned char *to)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		to[i] = (unsigned char)v;
}

static inline void index_be32(uint32_t v, unsigned char *to)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		to[i] = (unsigned char)v;
}

static inline uint32_t index_from_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Each fills a key of the length named above. */
static inline void index_project_key(uint64_t id, unsigned char to[INDEX_PROJECT_KEY_LEN])
{
	index_be64(id, to);
}

static inline void index_fragment_key(uint64_t id, uint32_t seq,
				      unsigned char to[INDEX_FRAGMENT_KEY_LEN])
{
	index_be64(id, to);
	index_be32(seq, to + 8);
}

static inline void index_oid_key(uint64_t id, const struct oid *oid,
				 unsigned char to[INDEX_OID_KEY_LEN])
{
	index_be64(id, to);
	memcpy(to + 8, oid->id, OID_LEN);
}
