/* store/work_format.h - the bytes of work/<id>/log.
 *
 * Little-endian. Frames follow one another; a frame is one operation, written with one write():
 *
 *	len u32      of the items
 *	crc u32      zlib's crc32 of seq and items
 *	seq u64      1, 2, 3 …; a frame with another one is not part of the log
 *	items
 *
 * The first frame starts with a META item. Items are physical: applying them in order gives the state.
 *
 *	META   1, version u8, next inode number u64, base[20]
 *	INODE  2, ino u64, mode u32, uid u32, gid u32, nlink u32, flags u8, has u8 (WORK_HAS_*),
 *	          atime i64, mtime i64, ctime i64, size u64, [oid 20], [target: len u16, bytes],
 *	          [xattrs: len u32, bytes]
 *	NAME   3, dir u64, ino u64, name       name: len u8, bytes
 *	WHITE  4, dir u64, name                the base tree's entry is hidden
 *	DROP   5, dir u64, name                nothing is said about the name any more
 *	GONE   6, ino u64
 *	BASE   7, base[20]
 *
 * xattrs: per attribute, name len u8, name, value len u32, value.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"
#include "store/work_private.h"

struct buf;

enum {
	WORK_LOG_VERSION = 1,
	WORK_FRAME_HEAD = 16,
	WORK_TARGET_MAX = 4095,
};

enum work_item_kind {
	WORK_ITEM_META = 1,
	WORK_ITEM_INODE,
	WORK_ITEM_NAME,
	WORK_ITEM_WHITE,
	WORK_ITEM_DROP,
	WORK_ITEM_GONE,
	WORK_ITEM_BASE,
};

enum work_has { WORK_HAS_OID = 1, WORK_HAS_TARGET = 2, WORK_HAS_XATTRS = 4 };

struct work_item {
	enum work_item_kind kind;
	struct work_rec rec; /* INODE; target and xattrs are owned by the item */
	uint64_t dir, ino;
	const char *name; /* borrowed, not terminated */
	size_t name_len;
	uint8_t version;
	struct oid base;
};

/* 0 or buf's faults. */
int work_put_meta(struct buf *b, uint64_t next_ino, const struct oid *base);
int work_put_rec(struct buf *b, const struct work_rec *r);
int work_put_name(struct buf *b, enum work_name_kind kind, uint64_t dir, uint64_t ino,
		  const char *name, size_t len);
int work_put_gone(struct buf *b, uint64_t ino);
int work_put_base(struct buf *b, const struct oid *base);

/* Takes the next item. 0, 1 at the end, or -EINVAL (silent). Release with work_item_deinit(). */
int work_get_item(struct reader *in, struct work_item *ret);
void work_item_deinit(struct work_item *it);

/* Checks a frame at the start of `data`. Its items, or NULL when it is none. */
const void *work_frame_items(const void *data, size_t len, uint64_t seq, uint32_t *ret_len);
/* Fills the head of a frame whose items stand behind it. */
void work_frame_seal(void *frame, size_t len, uint64_t seq);

/* Whether the bytes are a well-formed list of attributes. */
bool work_xattrs_ok(const void *data, size_t len);
