/* store/pack_index.h - whether the indexes of packs can be trusted with memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Looks at every index below `objects_dir`/pack that has a pack. False, with the name of the first bad one in `why`,
 * when one would lead a reader outside of its files. */
bool pack_index_check(const char *objects_dir, char *why, size_t why_size);

/* One index's bytes, for a pack of `pack_size` bytes. */
bool pack_index_ok(const unsigned char *data, size_t len, size_t pack_size);
