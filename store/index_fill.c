/* One transaction, so that readers see the index before a pass or after it.
 *
 * Every table is written in the order of its keys: LMDB then appends to the page at hand instead of
 * searching for it, which is what makes a million records a matter of a second.
 */
#include "store/index_fill.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "store/fragment_record.h"
#include "store/index_format.h"
#include "store/project.h"
#include "store/store.h"

static void le(uint64_t v, int width, unsigned char *to)
{
	for (int i = 0; i < width; i++)
		to[i] = (unsigned char)(v >> (8 * i));
}

int index_fill_clear(struct index_batch *b, uint64_t id)
{
	static const enum index_table tables[] = {INDEX_FRAGMENT, INDEX_COMMIT, INDEX_BLOB,
						  INDEX_SIZE, INDEX_TREE};
	unsigned char key[INDEX_PROJECT_KEY_LEN];
	int r = 0;

	index_project_key(id, key);
	for (size_t i = 0; !r && i < sizeof(tables) / sizeof(*tables); i++)
		r = index_delete_prefix(b, tables[i], key, sizeof(key));
	return r;
}

static int put_blobs(struct index_batch *b, const struct index_fill *f, uint64_t id)
{
	for (size_t i = 0; i < f->n_blobs; i++) {
		unsigned char key[INDEX_OID_KEY_LEN], val[INDEX_BLOB_LEN];
		int r;

		index_oid_key(id, &f->blobs[i].oid, key);
		le((uint64_t)f->number->nodes[f->blobs[i].root].f.time, INDEX_BLOB_LEN, val);
		/* What is there came from a lower number. */
		r = index_put_new(b, INDEX_BLOB, key, sizeof(key), val, sizeof(val));
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_fragments(struct index_batch *b, const struct index_fill *f, uint64_t id)
{
	for (size_t i = 0; i < f->number->n_nodes; i++) {
		const struct fragment *fragment = &f->number->nodes[i].f;
		unsigned char key[INDEX_FRAGMENT_KEY_LEN], val[FRAGMENT_RECORD_MAX];
		int r;

		index_fragment_key(id, fragment->seq, key);
		r = index_put(b, INDEX_FRAGMENT, key, sizeof(key), val,
			      fragment_record_encode(fragment, val));
		if (r)
			return r;
	}
	return 0;
}

static int by_commit(const void *a, const void *b)
{
	const struct refs_seq *x = a, *y = b;

	return oid_cmp(&x->commit, &y->commit);
}

static int put_commits(struct index_batch *b, const struct index_fill *f, uint64_t id)
{
	size_t n = f->number->n_nodes;
	CLEANUP(free_p) struct refs_seq *all = alloc_array(n, sizeof(*all));

	for (size_t i = 0; i < n; i++)
		all[i] = (struct refs_seq){.seq = f->number->nodes[i].f.seq,
					   .commit = f->number->nodes[i].f.commit};
	qsort(all, n, sizeof(*all), by_commit);
	for (size_t i = 0; i < n; i++) {
		unsigned char key[INDEX_OID_KEY_LEN], val[INDEX_COMMIT_LEN];
		int r;

		index_oid_key(id, &all[i].commit, key);
		le(all[i].seq, INDEX_COMMIT_LEN, val);
		r = index_put(b, INDEX_COMMIT, key, sizeof(key), val, sizeof(val));
		if (r)
			return r;
	}
	return 0;
}

static int fill(struct index_batch *b, const struct index_fill *f)
{
	uint64_t id = project_id(f->project);
	int r = f->anew ? index_fill_clear(b, id) : 0;

	if (!r)
		r = put_blobs(b, f, id);
	if (!r)
		r = put_fragments(b, f, id);
	if (!r)
		r = put_commits(b, f, id);
	return r ? r : project_record_put(b, id, f->record);
}

int index_fill(const struct index_fill *f)
{
	struct index_batch *b;
	int r = index_begin(store_index(project_store(f->project)), &b);

	if (r)
		return r;
	r = fill(b, f);
	if (r) {
		index_abort(b);
		return r;
	}
	return index_commit(b);
}
