/* Complete listings: from memory, else from the index, else made from the tree and its blobs' headers.
 *
 * Made once: the tree is parsed, each blob's size comes from the index or else from its object's
 * header (nothing is inflated), its time from the index, and the result is left to the index's
 * queue. Kept in memory afterwards, least recently used out first, because a file system asks
 * for the same listing at every look-up.
 *
 * A blob that is missing, or that no fragment holds yet, leaves the listing incomplete: it is shown with what is
 * known, never written to the index, and asked anew after a moment.
 */
#include "store/tree_private.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/object.h"
#include "store/project_private.h"
#include "store/store_private.h"

enum {
	TREE_BYTES_MAX = 64 << 20,    /* of a raw tree: a million entries and more */
	PACKED_BYTES_MAX = 256 << 20, /* the same, completed */
	INCOMPLETE_MS = 2000,         /* how long an incomplete listing is believed */
	RECORD_MAX = 64,              /* of the small records read here */
	NAME_SIZE = 256,
};

int tree_bytes(struct project *p, const struct oid *oid, struct tree_bytes *ret)
{
	/* Git knows this tree without storing it. */
	static const struct oid empty = {{0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e,
					  0xb9, 0xa0, 0x60, 0xe5, 0x4b, 0xf8, 0xd6,
					  0x92, 0x88, 0xfb, 0xee, 0x49, 0x04}};
	char hex[OID_HEX_LEN + 1];
	git_object_t type;
	size_t size;
	int r;

	if (oid_is_zero(oid) || oid_eq(oid, &empty)) {
		*ret = (struct tree_bytes){.data = ""};
		return 0;
	}
	r = object_header(p, oid, &type, &size);
	if (r)
		return r < 0 ? r : TREE_MISSING;
	if (type != GIT_OBJECT_TREE) {
		log_warn("tree: '%s' of project '%s' is no tree, refusing it",
			 oid_hex(oid, hex), p->name);
		return TREE_CORRUPT;
	}
	if (size > TREE_BYTES_MAX)
		return fail(-E2BIG, "read tree '%s' of %zu bytes", oid_hex(oid, hex), size);
	r = object_read(p, oid, &ret->object);
	if (r)
		return r < 0 ? r : TREE_MISSING;
	ret->data = git_odb_object_data(ret->object);
	ret->len = git_odb_object_size(ret->object);
	return 0;
}

static struct listing *listing_of(const struct tree_list *l)
{
	return (struct listing *)((uintptr_t)l - offsetof(struct listing, list));
}

/* Reads a little-endian 64-bit record; false when it is not there. */
static bool index_u64(struct index *ix, enum index_table t, const unsigned char *key,
		      uint64_t *ret)
{
	CLEANUP(buf_deinit) struct buf b;
	struct reader r;
	uint64_t v;

	buf_init(&b, RECORD_MAX);
	if (index_get(ix, t, key, INDEX_OID_KEY_LEN, &b))
		return false;
	reader_init(&r, b.data, b.len);
	v = reader_u64(&r);
	if (r.bad || reader_left(&r))
		return false;
	*ret = v;
	return true;
}

static void remember_size(struct index *ix, const unsigned char *key, uint64_t size)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, RECORD_MAX);
	if (!buf_u64(&b, size))
		index_put_later(ix, INDEX_SIZE, key, INDEX_OID_KEY_LEN, b.data, b.len);
}

/* Fills size and time of one entry; `whole` becomes false when one is not known. */
static int complete(struct project *p, struct tree_entry *e, bool *whole)
{
	struct index *ix = store_index(p->st);
	unsigned char key[INDEX_OID_KEY_LEN];
	git_object_t type;
	size_t size;
	uint64_t v;
	int r;

	index_oid_key(p->id, &e->oid, key);
	if (index_u64(ix, INDEX_BLOB, key, &v))
		e->first_seen = (int64_t)v;
	else
		*whole = false;
	if (index_u64(ix, INDEX_SIZE, key, &e->size))
		return 0;
	r = object_header(p, &e->oid, &type, &size);
	if (r < 0)
		return r;
	if (r == OBJECT_MISSING || type != GIT_OBJECT_BLOB) {
		*whole = false;
		return 0;
	}
	e->size = size;
	remember_size(ix, key, size);
	return 0;
}

struct counted {
	size_t n, names;
};

static int count(const struct tree_entry *e, void *arg)
{
	struct counted *c = arg;

	c->n++;
	c->names += (size_t)e->name_len + 1;
	return 0;
}

struct making {
	struct project *project;
	struct listing *listing;
	bool whole;
};

static bool has_size(const struct tree_entry *e)
{
	return !e->verdict &&
	       (e->mode == MODE_FILE || e->mode == MODE_EXEC || e->mode == MODE_LINK);
}

static int make_entry(const struct tree_entry *given, void *arg)
{
	struct making *m = arg;
	struct tree_entry e = *given;

	/* A blob whose header cannot be read is shown with the size 0, and says EIO when it is read. */
	if (has_size(&e) && complete(m->project, &e, &m->whole))
		m->whole = false;
	return listing_add(m->listing, &e) ? 0 : -EIO;
}

static int make(struct project *p, const struct oid *oid, struct listing **ret)
{
	CLEANUP(tree_bytes_done) struct tree_bytes b = {0};
	struct making m = {.project = p, .whole = true};
	struct counted c = {0};
	char hex[OID_HEX_LEN + 1];
	int r = tree_bytes(p, oid, &b);

	if (r)
		return r;
	r = tree_parse(b.data, b.len, count, &c);
	if (r) {
		log_warn("tree: '%s' of project '%s' is not a tree's bytes, refusing it",
			 oid_hex(oid, hex), p->name);
		return r;
	}
	m.listing = listing_new(c.n, c.names);
	if (!m.listing)
		return fail(-ENOMEM, "list tree '%s'", oid_hex(oid, hex));
	r = tree_parse(b.data, b.len, make_entry, &m);
	if (r) {
		lru_unref(&m.listing->item);
		return fail(-EIO, "list tree '%s'", oid_hex(oid, hex));
	}
	listing_seal(m.listing);
	m.listing->incomplete = !m.whole;
	*ret = m.listing;
	return 0;
}

static struct listing *from_index(struct project *p, const unsigned char *key)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, PACKED_BYTES_MAX);
	if (index_get(store_index(p->st), INDEX_TREE, key, INDEX_OID_KEY_LEN, &b))
		return NULL;
	return listing_unpack(b.data, b.len);
}

static void to_index(struct project *p, const unsigned char *key, const struct listing *l)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, PACKED_BYTES_MAX);
	if (!listing_pack(l, &b))
		index_put_later(store_index(p->st), INDEX_TREE, key, INDEX_OID_KEY_LEN, b.data,
				b.len);
}

static int load(struct project *p, const struct oid *oid, struct listing **ret)
{
	unsigned char key[INDEX_OID_KEY_LEN];
	struct listing *l;
	int r;

	index_oid_key(p->id, oid, key);
	l = from_index(p, key);
	if (!l) {
		r = make(p, oid, &l);
		if (r)
			return r;
		if (!l->incomplete)
			to_index(p, key, l);
	}
	*ret = l;
	return 0;
}

static bool is_stale(const struct listing *l)
{
	return l->incomplete && clock_now(clock_system()) - l->made > INCOMPLETE_MS;
}

int tree_list(struct project *p, const struct oid *tree, const struct tree_list **ret)
{
	struct lru *cache = p->st->trees;
	struct listing *l = NULL;
	struct lru_item *it;
	int r;

	while (!lru_get(cache, p->id, tree, &it)) {
		l = (struct listing *)it;
		if (!is_stale(l)) {
			*ret = &l->list;
			return 0;
		}
		lru_drop(cache, it);
		lru_unref(it);
	}
	r = load(p, tree, &l);
	if (r) {
		lru_give_up(cache, p->id, tree);
		return r;
	}
	l->item.oid = *tree;
	l->item.project = p->id;
	lru_keep(cache, &l->item);
	*ret = &l->list;
	return 0;
}

void tree_list_unref(const struct tree_list *l)
{
	if (l)
		lru_unref(&listing_of(l)->item);
}

/* The entry of that name which sorts as a tree, or as anything else. */
static const struct tree_entry *halve(const struct tree_list *l, const char *name, size_t len,
				      bool is_tree)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct tree_entry *e = &l->entries[mid];
		int c = tree_name_order(name, len, is_tree, e->name, e->name_len,
					tree_mode_is_tree(e->mode));

		if (!c)
			return e;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const struct tree_entry *tree_list_find(const struct tree_list *l, const char *name)
{
	size_t len = strlen(name);
	const struct tree_entry *e;

	if (listing_of(l)->sorted) {
		e = halve(l, name, len, false);
		return e ? e : halve(l, name, len, true);
	}
	for (size_t i = 0; i < l->n; i++) {
		e = &l->entries[i];
		if (e->name_len == len && memcmp(e->name, name, len) == 0)
			return e;
	}
	return NULL;
}

/* One step down: 0 with the entry copied to `ret`, an outcome, or a fault. */
static int step(struct project *p, const struct oid *tree, const char *name,
		struct tree_entry *ret)
{
	const struct tree_list *l = NULL;
	const struct tree_entry *e;
	int r = tree_list(p, tree, &l);

	if (r)
		return r;
	e = tree_list_find(l, name);
	r = e && e->verdict == JUDGE_FINE ? 0 : TREE_NO_ENTRY;
	if (!r) {
		*ret = *e;
		ret->name = "";
		ret->name_len = 0;
	}
	tree_list_unref(l);
	return r;
}

int tree_lookup(struct project *p, const struct oid *tree, const char *path,
		struct tree_entry *ret)
{
	struct tree_entry e = {.name = "", .mode = MODE_TREE, .oid = *tree};

	while (*path) {
		size_t len = strcspn(path, "/");
		char name[NAME_SIZE];
		int r;

		if (!len || len >= sizeof(name) || e.mode != MODE_TREE)
			return TREE_NO_ENTRY;
		memcpy(name, path, len);
		name[len] = '\0';
		path += len;
		/* A slash has a name behind it, or the path is no path. */
		if (*path && !*++path)
			return TREE_NO_ENTRY;
		r = step(p, &e.oid, name, &e);
		if (r)
			return r;
	}
	*ret = e;
	return 0;
}
