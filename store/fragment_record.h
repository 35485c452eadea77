/* store/fragment_record.h - fragments as the index holds them.
 */
#pragma once

#include "store/fragment.h"
#include "store/index.h"

/* `key` and `val` as store/index_format.h describes them. 0 or -EINVAL, silent. */
int fragment_record_decode(const void *key, size_t key_len, const void *val, size_t val_len,
			   struct fragment *ret);

/* Puts the fragment under its number and under its commit. */
int fragment_record_put(struct index_batch *b, uint64_t project_id, const struct fragment *f);

/* The bytes of the value; returns their length. `ret` holds FRAGMENT_RECORD_MAX. */
enum { FRAGMENT_RECORD_MAX = OID_LEN + OID_LEN + 8 + 2 + 2 + FRAGMENT_SLUG_MAX };
size_t fragment_record_encode(const struct fragment *f, unsigned char *ret);
