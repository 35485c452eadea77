/* Encoding and decoding of the index's project records; the bytes are described in
 * store/index_format.h. A racy fingerprint is stored as none: nobody could compare it.
 */
#include "store/project_record.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/index_format.h"

enum { RECORD_VERSION = 1, RECORD_MAX = INDEX_PROJECT_FIXED_LEN + PROJECT_NAME_MAX };

int project_record_decode(const void *val, size_t len, struct project_record *ret)
{
	struct project_record rec = {0};
	struct reader in;
	size_t name_len;
	const char *name;

	reader_init(&in, val, len);
	if (reader_u8(&in) != RECORD_VERSION)
		return -EINVAL;
	rec.counted = reader_u8(&in) & INDEX_PROJECT_COUNTED;
	rec.last = reader_u32(&in);
	rec.count = reader_u32(&in);
	rec.seen.a = reader_u64(&in);
	rec.seen.b = reader_u64(&in);
	rec.fragments_seen = reader_u64(&in);
	name_len = reader_left(&in);
	name = reader_bytes(&in, name_len);
	if (in.bad || !name || !name_len || name_len > PROJECT_NAME_MAX)
		return -EINVAL;
	memcpy(rec.name, name, name_len);
	if (memchr(name, '\0', name_len) || !project_name_ok(rec.name))
		return -EINVAL;
	*ret = rec;
	return 0;
}

static int encode(const struct project_record *rec, struct buf *b)
{
	struct fingerprint none = {0};
	const struct fingerprint *fp = rec->seen.racy ? &none : &rec->seen;
	int r = buf_u8(b, RECORD_VERSION);

	if (!r)
		r = buf_u8(b, rec->counted ? INDEX_PROJECT_COUNTED : 0);
	if (!r)
		r = buf_u32(b, rec->last);
	if (!r)
		r = buf_u32(b, rec->count);
	if (!r)
		r = buf_u64(b, fp->a);
	if (!r)
		r = buf_u64(b, fp->b);
	if (!r)
		r = buf_u64(b, rec->fragments_seen);
	return r ? r : buf_str(b, rec->name);
}

int project_record_read(struct index *ix, uint64_t id, struct project_record *ret)
{
	unsigned char key[INDEX_PROJECT_KEY_LEN];
	CLEANUP(buf_deinit) struct buf val;
	int r;

	buf_init(&val, RECORD_MAX);
	index_project_key(id, key);
	r = index_get(ix, INDEX_PROJECT, key, sizeof(key), &val);
	if (r)
		return r;
	return project_record_decode(val.data, val.len, ret) ? (int)INDEX_MISSING : 0;
}

int project_record_put(struct index_batch *b, uint64_t id, const struct project_record *rec)
{
	unsigned char key[INDEX_PROJECT_KEY_LEN];
	CLEANUP(buf_deinit) struct buf val;
	int r;

	buf_init(&val, RECORD_MAX);
	index_project_key(id, key);
	r = encode(rec, &val);
	if (r)
		return fail(r, "record project '%s'", rec->name);
	return index_put(b, INDEX_PROJECT, key, sizeof(key), val.data, val.len);
}

int project_record_write(struct index *ix, uint64_t id, const struct project_record *rec)
{
	struct index_batch *b;
	int r = index_begin(ix, &b);

	if (r)
		return r;
	r = project_record_put(b, id, rec);
	if (r) {
		index_abort(b);
		return r;
	}
	return index_commit(b);
}
