/* Any bytes as a listing of the index: absent, or safe to show and the same when packed again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "store/tree_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct listing *l = listing_unpack(data, size);
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, size * 2 + 64); /* room for the NULs that are not packed */
	if (!l)
		return 0;
	for (size_t i = 0; i < l->list.n; i++) {
		const struct tree_entry *e = &l->entries[i];

		assert(strlen(e->name) == e->name_len && !strchr(e->name, '/'));
		assert(e->verdict || !judge_entry(e->name, e->name_len, e->mode));
		assert(tree_list_find(&l->list, e->name));
	}
	assert(!listing_pack(l, &b) && b.len == size && !memcmp(b.data, data, size));
	lru_unref(&l->item);
	return 0;
}
