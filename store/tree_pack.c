/* Listings in memory and as bytes of the index.
 *
 * The index is a cache that anybody with the home can write to, so every field is checked as
 * if it came from a tree: names are judged again, and what a caller would trust (a fine
 * verdict, a size) is only believed in a record that is whole. A record that fails is
 * absent; the tree itself says it again.
 */
#include "store/tree_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "store/tree_format.h"

static void destroy(struct lru_item *it)
{
	struct listing *l = (struct listing *)it;

	free(l->names);
	free(l);
}

struct listing *listing_new(size_t n, size_t names_size)
{
	struct listing *l;
	size_t bytes;

	if (__builtin_mul_overflow(n, sizeof(struct tree_entry), &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*l), &bytes))
		return NULL;
	l = calloc(1, bytes);
	if (!l)
		return NULL;
	l->names = malloc(names_size + 1);
	if (!l->names) {
		free(l);
		return NULL;
	}
	l->names_size = names_size;
	l->item.destroy = destroy;
	l->item.bytes = bytes + names_size;
	l->list.n = n;
	l->list.entries = l->entries;
	l->made = clock_now(clock_system());
	lru_item_init(&l->item);
	/* Counts what is there; `list.n` says how much there is room for until then. */
	l->list.n = 0;
	return l;
}

bool listing_add(struct listing *l, const struct tree_entry *e)
{
	struct tree_entry *to = &l->entries[l->list.n];

	if (l->names_size - l->names_len < (size_t)e->name_len + 1)
		return false;
	*to = *e;
	to->name = memcpy(l->names + l->names_len, e->name, e->name_len);
	l->names[l->names_len + e->name_len] = '\0';
	l->names_len += (size_t)e->name_len + 1;
	l->list.n++;
	return true;
}

void listing_seal(struct listing *l)
{
	l->sorted = true;
	for (size_t i = 1; i < l->list.n && l->sorted; i++) {
		const struct tree_entry *a = &l->entries[i - 1], *b = &l->entries[i];

		l->sorted =
			tree_name_order(a->name, a->name_len, tree_mode_is_tree(a->mode),
					b->name, b->name_len, tree_mode_is_tree(b->mode)) < 0;
	}
}

int listing_pack(const struct listing *l, struct buf *b)
{
	int r = buf_reserve(b, TREE_FORMAT_HEAD_LEN + l->list.n * TREE_FORMAT_ENTRY_LEN +
				       l->names_len);

	if (r)
		return r;
	(void)buf_u8(b, TREE_FORMAT_VERSION);
	(void)buf_u32(b, (uint32_t)l->list.n);
	(void)buf_u32(b, (uint32_t)l->names_len);
	for (size_t i = 0; i < l->list.n; i++) {
		const struct tree_entry *e = &l->entries[i];

		(void)buf_u32(b, e->mode);
		(void)buf_u8(b, (uint8_t)e->verdict);
		(void)buf_add(b, e->oid.id, OID_LEN);
		(void)buf_u64(b, e->size);
		(void)buf_u64(b, (uint64_t)e->first_seen);
		(void)buf_u8(b, (uint8_t)e->name_len);
		(void)buf_add(b, e->name, e->name_len);
	}
	return 0;
}

static bool unpack_entry(struct reader *r, struct tree_entry *e)
{
	const void *oid;
	uint8_t verdict;

	e->mode = reader_u32(r);
	verdict = reader_u8(r);
	oid = reader_bytes(r, OID_LEN);
	e->size = reader_u64(r);
	e->first_seen = (int64_t)reader_u64(r);
	e->name_len = reader_u8(r);
	e->name = reader_bytes(r, e->name_len);
	if (r->bad || verdict > JUDGE_DUPLICATE || !e->name_len)
		return false;
	memcpy(e->oid.id, oid, OID_LEN);
	e->verdict = (enum judge_verdict)verdict;
	if (e->verdict == JUDGE_FINE)
		return judge_entry(e->name, e->name_len, e->mode) == JUDGE_FINE;
	return !memchr(e->name, '/', e->name_len) && !memchr(e->name, '\0', e->name_len);
}

struct listing *listing_unpack(const void *data, size_t len)
{
	struct reader r;
	struct listing *l;
	uint32_t n, names;
	uint8_t version;

	reader_init(&r, data, len);
	version = reader_u8(&r);
	n = reader_u32(&r);
	names = reader_u32(&r);
	if (r.bad || version != TREE_FORMAT_VERSION ||
	    n > reader_left(&r) / TREE_FORMAT_ENTRY_LEN || names > reader_left(&r))
		return NULL;
	l = listing_new(n, names);
	if (!l)
		return NULL;
	while (l->list.n < n) {
		struct tree_entry e;

		if (!unpack_entry(&r, &e) || !listing_add(l, &e))
			goto bad;
	}
	if (reader_left(&r) || l->names_len != names)
		goto bad;
	listing_seal(l);
	return l;
bad:
	destroy(&l->item);
	return NULL;
}
