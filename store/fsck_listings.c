/* What the index computed on the way: sizes and listings, each derived once more.
 *
 * Records of trees and blobs that no fragment reaches are left-overs, not errors. Keys are gathered
 * first, so that no transaction is open while objects are read.
 */
#include "store/fsck_private.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "store/first_seen.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/object.h"
#include "store/project_private.h"
#include "store/store.h"
#include "store/tree_private.h"

enum { PACKED_MAX = 256 << 20 };

struct keys {
	struct oid *oids;
	size_t n, cap;
};

static void keys_deinit(struct keys *k)
{
	free(k->oids);
}

static int take_key(const void *key, size_t key_len, const void *val, size_t val_len, void *arg)
{
	struct keys *k = arg;

	if (key_len != INDEX_OID_KEY_LEN)
		return 0;
	alloc_grow(&k->oids, &k->cap, k->n + 1, sizeof(*k->oids));
	memcpy(k->oids[k->n++].id, (const char *)key + 8, OID_LEN);
	return 0;
}

static int check_size(const void *key, size_t key_len, const void *val, size_t val_len,
		      void *arg)
{
	struct fsck_run *run = arg;
	char hex[OID_HEX_LEN + 1];
	const uint64_t *size;
	struct reader in;
	struct oid oid;

	if (key_len != INDEX_OID_KEY_LEN)
		return 0;
	memcpy(oid.id, (const char *)key + 8, OID_LEN);
	reader_init(&in, val, val_len);
	size = oidmap_find(&run->blobs, &oid);
	if (size && *size != FSCK_UNREADABLE &&
	    (val_len != INDEX_SIZE_LEN || reader_u64(&in) != *size))
		fsck_say(run, FSCK_PROBLEM,
			 "the index has a wrong size for blob %s; `frag reindex` mends it",
			 oid_hex(&oid, hex));
	return 0;
}

/* A stored listing beside the tree it was made of. */
struct beside {
	struct fsck_run *run;
	const struct tree_list *list;
	size_t at;
	bool differs;
};

static bool entry_same(struct fsck_run *run, const struct tree_entry *is,
		       const struct tree_entry *want)
{
	const uint64_t *size = oidmap_find(&run->blobs, &want->oid);
	int64_t seen = 0;

	if (is->mode != want->mode || is->verdict != want->verdict ||
	    is->name_len != want->name_len || strcmp(is->name, want->name) != 0 ||
	    !oid_eq(&is->oid, &want->oid))
		return false;
	/* Refused entries have no size, trees and submodules neither. */
	if (want->verdict || (want->mode & 0170000) == MODE_TREE || want->mode == MODE_GITLINK)
		return !is->size;
	if (!size || *size == FSCK_UNREADABLE)
		return true;
	return is->size == *size && !blob_first_seen(run->p, &want->oid, &seen) &&
	       is->first_seen == seen;
}

static int compare_entry(const struct tree_entry *e, void *arg)
{
	struct beside *b = arg;

	b->differs = b->at >= b->list->n || !entry_same(b->run, &b->list->entries[b->at], e);
	b->at++;
	return b->differs;
}

static int check_listing(struct fsck_run *run, const struct oid *oid)
{
	CLEANUP(git_odb_object_freep) git_odb_object *o = NULL;
	unsigned char key[INDEX_OID_KEY_LEN];
	CLEANUP(buf_deinit) struct buf val;
	struct beside b = {.run = run};
	char hex[OID_HEX_LEN + 1];
	struct listing *l;
	int r;

	buf_init(&val, PACKED_MAX);
	index_oid_key(project_id(run->p), oid, key);
	r = index_get(store_index(project_store(run->p)), INDEX_TREE, key, sizeof(key), &val);
	if (r)
		return r < 0 ? r : 0;
	l = listing_unpack(val.data, val.len);
	/* One that does not decode is treated as absent by its readers. */
	if (!l)
		return 0;
	b.list = &l->list;
	r = object_read(run->p, oid, &o);
	if (!r)
		r = tree_parse(git_odb_object_data(o), git_odb_object_size(o), compare_entry,
			       &b);
	if (r >= 0 && (r || b.differs || b.at != b.list->n))
		fsck_say(
			run, FSCK_PROBLEM,
			"the listing of tree %s in the index is wrong; `frag reindex` mends it",
			oid_hex(oid, hex));
	lru_unref(&l->item);
	return r < 0 ? r : 0;
}

int fsck_listings(struct fsck_run *run)
{
	struct index *ix = store_index(project_store(run->p));
	CLEANUP(keys_deinit) struct keys keys = {0};
	unsigned char key[INDEX_PROJECT_KEY_LEN];
	int r;

	index_project_key(project_id(run->p), key);
	r = index_each(ix, INDEX_SIZE, key, sizeof(key), NULL, 0, check_size, run);
	if (!r)
		r = index_each(ix, INDEX_TREE, key, sizeof(key), NULL, 0, take_key, &keys);
	for (size_t i = 0; !r && i < keys.n; i++) {
		if (oidmap_find(&run->trees, &keys.oids[i]))
			r = check_listing(run, &keys.oids[i]);
	}
	return r;
}
