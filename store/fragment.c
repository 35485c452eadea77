/* Fragments as readers see them: copies out of the index, never of git.
 *
 * A record that does not decode is absent; fsck says so and a refresh makes it anew. Iteration reads a
 * few hundred records at a time, so that the callback runs outside any transaction and
 * may do as it likes; numbers only grow, which makes the end fixed at the start a snapshot.
 */
#include "store/fragment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/fragment_record.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/project.h"
#include "store/project_record.h"
#include "store/store.h"

enum { CHUNK = 256 };

static void put_le(unsigned char **at, uint64_t v, int width)
{
	for (int i = 0; i < width; i++)
		*(*at)++ = (unsigned char)(v >> (8 * i));
}

size_t fragment_record_encode(const struct fragment *f, unsigned char *ret)
{
	size_t slug_len = strlen(f->slug);
	unsigned char *at = ret;

	memcpy(at, f->commit.id, OID_LEN);
	memcpy(at + OID_LEN, f->tree.id, OID_LEN);
	at += OID_LEN + OID_LEN;
	put_le(&at, (uint64_t)f->time, 8);
	put_le(&at, (uint16_t)f->tz, 2);
	put_le(&at, f->n_parents, 2);
	memcpy(at, f->slug, slug_len);
	return (size_t)(at - ret) + slug_len;
}

static bool slug_ok(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') ||
		      s[i] == '-'))
			return false;
	}
	return len <= FRAGMENT_SLUG_MAX;
}

int fragment_record_decode(const void *key, size_t key_len, const void *val, size_t val_len,
			   struct fragment *ret)
{
	struct fragment f = {0};
	size_t slug_len;
	const void *slug;
	struct reader in;

	if (key_len != INDEX_FRAGMENT_KEY_LEN || val_len < INDEX_FRAGMENT_FIXED_LEN)
		return -EINVAL;
	f.seq = index_from_be32((const unsigned char *)key + 8);
	reader_init(&in, val, val_len);
	memcpy(f.commit.id, reader_bytes(&in, OID_LEN), OID_LEN);
	memcpy(f.tree.id, reader_bytes(&in, OID_LEN), OID_LEN);
	f.time = (int64_t)reader_u64(&in);
	f.tz = (int16_t)reader_u16(&in);
	f.n_parents = reader_u16(&in);
	slug_len = reader_left(&in);
	slug = reader_bytes(&in, slug_len);
	if (!f.seq || !slug_ok(slug, slug_len))
		return -EINVAL;
	memcpy(f.slug, slug, slug_len);
	*ret = f;
	return 0;
}

int fragment_record_put(struct index_batch *b, uint64_t project_id, const struct fragment *f)
{
	unsigned char key[INDEX_FRAGMENT_KEY_LEN], commit[INDEX_OID_KEY_LEN];
	unsigned char val[FRAGMENT_RECORD_MAX], seq[INDEX_COMMIT_LEN], *at = seq;
	int r;

	index_fragment_key(project_id, f->seq, key);
	r = index_put(b, INDEX_FRAGMENT, key, sizeof(key), val, fragment_record_encode(f, val));
	if (r)
		return r;
	index_oid_key(project_id, &f->commit, commit);
	put_le(&at, f->seq, INDEX_COMMIT_LEN);
	return index_put(b, INDEX_COMMIT, commit, sizeof(commit), seq, sizeof(seq));
}

int fragment_get(struct project *p, uint32_t seq, struct fragment *ret)
{
	unsigned char key[INDEX_FRAGMENT_KEY_LEN];
	CLEANUP(buf_deinit) struct buf val;
	int r;

	buf_init(&val, 4096);
	index_fragment_key(project_id(p), seq, key);
	r = index_get(store_index(project_store(p)), INDEX_FRAGMENT, key, sizeof(key), &val);
	if (r)
		return r == INDEX_MISSING ? (int)FRAGMENT_MISSING : r;
	return fragment_record_decode(key, sizeof(key), val.data, val.len, ret)
		       ? (int)FRAGMENT_MISSING
		       : 0;
}

int fragment_by_commit(struct project *p, const struct oid *commit, struct fragment *ret)
{
	unsigned char key[INDEX_OID_KEY_LEN];
	CLEANUP(buf_deinit) struct buf val;
	struct fragment f;
	struct reader in;
	int r;

	buf_init(&val, 4096);
	index_oid_key(project_id(p), commit, key);
	r = index_get(store_index(project_store(p)), INDEX_COMMIT, key, sizeof(key), &val);
	if (r)
		return r == INDEX_MISSING ? (int)FRAGMENT_MISSING : r;
	reader_init(&in, val.data, val.len);
	r = fragment_get(p, reader_u32(&in), &f);
	if (r)
		return r;
	/* Two tables that disagree are damage; better no answer than another commit. */
	if (!oid_eq(&f.commit, commit))
		return FRAGMENT_MISSING;
	*ret = f;
	return 0;
}

static int record_of(struct project *p, struct project_record *ret)
{
	int r = project_record_read(store_index(project_store(p)), project_id(p), ret);

	if (r == INDEX_MISSING)
		*ret = (struct project_record){0};
	return r < 0 ? r : 0;
}

int fragment_last(struct project *p, uint32_t *ret)
{
	struct project_record rec;
	int r = record_of(p, &rec);

	if (!r)
		*ret = rec.last;
	return r;
}

int fragment_count(struct project *p, uint32_t *ret)
{
	struct project_record rec;
	int r = record_of(p, &rec);

	if (!r)
		*ret = rec.count;
	return r;
}

struct chunk {
	struct fragment fragments[CHUNK];
	size_t n;
	uint32_t next, last; /* where to go on, where to stop */
};

static int take(const void *key, size_t key_len, const void *val, size_t val_len, void *arg)
{
	struct chunk *c = arg;
	struct fragment f;

	if (key_len == INDEX_FRAGMENT_KEY_LEN)
		c->next = index_from_be32((const unsigned char *)key + 8) + 1;
	if (fragment_record_decode(key, key_len, val, val_len, &f))
		return 0;
	if (f.seq > c->last)
		return 1;
	c->fragments[c->n++] = f;
	return c->n == CHUNK;
}

int fragment_each(struct project *p, uint32_t from, fragment_fn fn, void *arg)
{
	unsigned char key[INDEX_FRAGMENT_KEY_LEN];
	CLEANUP(free_p) struct chunk *c = malloc(sizeof(*c));
	int r;

	if (!c)
		return fail(-ENOMEM, "list the fragments of project '%s'", project_name(p));
	r = fragment_last(p, &c->last);
	c->next = from;
	do {
		if (r)
			return r;
		c->n = 0;
		index_fragment_key(project_id(p), c->next, key);
		r = index_each(store_index(project_store(p)), INDEX_FRAGMENT, key, 8, key,
			       sizeof(key), take, c);
		if (r < 0)
			return r;
		r = 0;
		for (size_t i = 0; !r && i < c->n; i++)
			r = fn(&c->fragments[i], arg);
	} while (c->n == CHUNK);
	return r;
}

int fragment_name(const struct fragment *f, char ret[FRAGMENT_NAME_MAX])
{
	char hex[OID_HEX_LEN + 1];

	return snprintf(ret, FRAGMENT_NAME_MAX, "%05u-%.12s%s%s", f->seq,
			oid_hex(&f->commit, hex), *f->slug ? "-" : "", f->slug);
}

uint32_t fragment_seq_of_name(const char *name)
{
	uint64_t v = 0;

	for (; *name >= '0' && *name <= '9'; name++) {
		v = v * 10 + (uint64_t)(*name - '0');
		if (v > UINT32_MAX)
			return 0;
	}
	return *name && *name != '-' ? 0 : (uint32_t)v;
}
