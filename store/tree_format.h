/* store/tree_format.h - the bytes of a complete listing in the index.
 *
 * Little-endian. A listing is immutable but for its version: another version is treated as absent.
 *
 *	version u8 (1), entries u32, bytes of all names and their NULs u32, then per entry
 *	mode u32, verdict u8, oid[20], size u64, first seen i64, name length u8, name
 */
#pragma once

#include "base/oid.h"

enum {
	TREE_FORMAT_VERSION = 1,
	TREE_FORMAT_HEAD_LEN = 1 + 4 + 4,
	TREE_FORMAT_ENTRY_LEN = 4 + 1 + OID_LEN + 8 + 8 + 1, /* without the name */
};
