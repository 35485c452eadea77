/* Any bytes as a work tree's log: frames are refused or found whole, items are refused or are the same when encoded
 * again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "store/state.h"
#include "store/work_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 1 << 20 };

static int encode(const struct work_item *it, struct buf *b)
{
	switch (it->kind) {
	case WORK_ITEM_META:
		return work_put_meta(b, it->ino, &it->base);
	case WORK_ITEM_INODE:
		return work_put_rec(b, &it->rec);
	case WORK_ITEM_NAME:
		return work_put_name(b, WORK_NAME_SET, it->dir, it->ino, it->name,
				     it->name_len);
	case WORK_ITEM_WHITE:
		return work_put_name(b, WORK_NAME_WHITE, it->dir, 0, it->name, it->name_len);
	case WORK_ITEM_DROP:
		return work_put_name(b, WORK_NAME_DROP, it->dir, 0, it->name, it->name_len);
	case WORK_ITEM_GONE:
		return work_put_gone(b, it->ino);
	case WORK_ITEM_BASE:
		return work_put_base(b, &it->base);
	}
	return -1;
}

static void check_again(const struct work_item *it)
{
	CLEANUP(buf_deinit) struct buf once;
	CLEANUP(buf_deinit) struct buf twice;
	struct work_item again;
	struct reader in;

	buf_init(&once, LIMIT);
	buf_init(&twice, LIMIT);
	assert(!encode(it, &once));
	reader_init(&in, once.data, once.len);
	assert(!work_get_item(&in, &again) && !reader_left(&in));
	assert(!encode(&again, &twice));
	assert(once.len == twice.len && !memcmp(once.data, twice.data, once.len));
	work_item_deinit(&again);
}

static void try_items(const uint8_t *data, size_t size)
{
	struct work_item it;
	struct reader in;

	reader_init(&in, data, size);
	while (!work_get_item(&in, &it)) {
		check_again(&it);
		work_item_deinit(&it);
	}
}

static void try_frame(const uint8_t *data, size_t size)
{
	uint32_t len;
	const void *items = work_frame_items(data, size, 1, &len);

	if (items)
		try_items(items, len);
}

static void try_info(const uint8_t *data, size_t size)
{
	CLEANUP(buf_deinit) struct buf b;
	struct work_info info, again;
	struct work_born born;

	buf_init(&b, LIMIT);
	if (work_info_decode(data, size, &info, &born))
		return;
	assert(!work_info_encode(&info, &born, &b));
	assert(!work_info_decode(b.data, b.len, &again, &born));
	assert(!strcmp(info.name, again.name) && info.created_ns == again.created_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (*data == 'i')
		try_items(data + 1, size - 1);
	else if (*data == 'f')
		try_frame(data + 1, size - 1);
	else
		try_info(data + 1, size - 1);
	return 0;
}
