/* The pack writer.
 *
 * libgit2's own ways to write objects sync each of them, some 22 flushes a commit, or want them in
 * its odb first. A pack without deltas is simple: a header, each object's size and zlib
 * stream, a checksum. It is handed to libgit2's indexer, which reads every object back, hashes it,
 * writes pack and index and syncs both and their directory, so a mistake here is a refusal
 * there and never a broken repository. Deltas are left to `frag gc`.
 *
 * The bytes wait in memory up to FLUSH_BYTES, then a pack is written and the next begun: memory is
 * bounded however many objects are added, and an abandoned batch leaves unreachable objects
 * at worst.
 *
 * An object that a pack holds is not written again. One that lies loose is: whoever wrote it may
 * not have synced it, and a prune may be about to take it.
 */
#include "store/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/oidmap.h"
#include "base/sha1.h"
#include "store/project_private.h"

enum {
	FLUSH_BYTES = 64 << 20,
	CHUNK = 1 << 30, /* zlib counts in 32 bits */
	LEVEL = 3, /* two thirds of the time of 6 for a tenth more bytes, until gc packs anew */
	HEAD_LEN = 12, /* "PACK", version, number of objects */
};
/* The most one pack may hold: the largest blob that is let in, incompressible. */
#define PACK_BYTES_MAX ((size_t)3 << 30)

struct pack {
	struct project *project;
	git_odb *odb;
	struct oidmap known; /* added to this writer, or seen in a pack */
	struct buf bytes;
	uint32_t n;
	z_stream deflate;
};

static int start_bytes(struct pack *k)
{
	int r;

	buf_clear(&k->bytes);
	k->n = 0;
	r = buf_add(&k->bytes, "PACK\0\0\0\2\0\0\0\0", HEAD_LEN);
	return r ? fail(r, "begin a pack") : 0;
}

int pack_begin(struct project *p, struct pack **ret)
{
	struct pack *k = alloc_zero(sizeof(*k));
	int r = project_odb(p, &k->odb);

	if (r) {
		free(k);
		return r;
	}
	if (deflateInit(&k->deflate, LEVEL) != Z_OK) {
		git_odb_free(k->odb);
		free(k);
		return fail(-ENOMEM, "start zlib");
	}
	k->project = p;
	oidmap_init(&k->known);
	buf_init(&k->bytes, PACK_BYTES_MAX);
	r = start_bytes(k);
	if (r) {
		pack_abort(k);
		return r;
	}
	*ret = k;
	return 0;
}

void pack_abort(struct pack *k)
{
	if (!k)
		return;
	(void)deflateEnd(&k->deflate);
	git_odb_free(k->odb);
	oidmap_deinit(&k->known);
	buf_deinit(&k->bytes);
	free(k);
}

static bool is_loose(const struct pack *k, const struct oid *oid)
{
	char hex[OID_HEX_LEN + 1], path[OID_HEX_LEN + 16];

	oid_hex(oid, hex);
	(void)snprintf(path, sizeof(path), "objects/%.2s/%s", hex, hex + 2);
	return !faccessat(project_dir_fd(k->project), path, F_OK, AT_EACCESS);
}

static bool is_packed(const struct pack *k, const struct oid *oid)
{
	git_oid id = oid_to_git(oid);

	return git_odb_exists_ext(k->odb, &id, GIT_ODB_LOOKUP_NO_REFRESH) == 1 &&
	       !is_loose(k, oid);
}

/* An object's type and size: four bits of the size beside the type, then seven a byte. */
static int add_head(struct buf *b, git_object_t type, size_t len)
{
	uint8_t byte = (uint8_t)((unsigned)type << 4 | (len & 15));
	int r = 0;

	for (len >>= 4; len && !r; len >>= 7) {
		r = buf_u8(b, byte | 0x80);
		byte = len & 0x7f;
	}
	return r ? r : buf_u8(b, byte);
}

static int add_deflated(struct pack *k, const unsigned char *data, size_t len)
{
	z_stream *z = &k->deflate;
	int r, state = Z_OK;

	(void)deflateReset(z);
	z->next_in = (Bytef *)(uintptr_t)data;
	z->avail_in = 0;
	while (state != Z_STREAM_END) {
		size_t room;

		if (!z->avail_in && len) {
			z->avail_in = len > CHUNK ? (uInt)CHUNK : (uInt)len;
			len -= z->avail_in;
		}
		room = z->avail_in / 2 + 128;
		r = buf_reserve(&k->bytes, room);
		if (r)
			return r;
		z->next_out = (Bytef *)k->bytes.data + k->bytes.len;
		z->avail_out = (uInt)room;
		state = deflate(z, len ? Z_NO_FLUSH : Z_FINISH);
		if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
			return -EIO;
		k->bytes.len += room - z->avail_out;
	}
	return 0;
}

static int index_pack(struct pack *k)
{
	CLEANUP(free_p) char *dir = project_path(k->project, "objects/pack");
	git_indexer_progress progress = {0};
	git_indexer *ix;
	int r = git_indexer_new(&ix, dir, 0, NULL, NULL);

	if (r)
		return fail_git(r, "begin a pack in project '%s'", k->project->name);
	r = git_indexer_append(ix, k->bytes.data, k->bytes.len, &progress);
	if (!r)
		r = git_indexer_commit(ix, &progress);
	if (r)
		r = fail_git(r, "write a pack of project '%s'", k->project->name);
	git_indexer_free(ix);
	return r;
}

/* Writes what is gathered as a pack and begins the next. */
static int flush(struct pack *k)
{
	struct sha1 sum;
	struct oid id;
	int r;

	if (!k->n)
		return 0;
	for (int i = 0; i < 4; i++)
		k->bytes.data[8 + i] = (char)(k->n >> (24 - 8 * i));
	sha1_init(&sum);
	sha1_add(&sum, k->bytes.data, k->bytes.len);
	sha1_end(&sum, &id);
	r = buf_add(&k->bytes, id.id, OID_LEN);
	if (r)
		return fail(r, "end a pack");
	r = index_pack(k);
	return r ? r : start_bytes(k);
}

int pack_add(struct pack *k, git_object_t type, const void *data, size_t len, struct oid *ret)
{
	size_t was = k->bytes.len;
	git_oid id;
	int r = git_odb_hash(&id, data, len, type);

	if (r)
		return fail_git(r, "hash an object");
	*ret = oid_from_git(&id);
	if (oidmap_find(&k->known, ret))
		return 0;
	if (!is_packed(k, ret)) {
		r = add_head(&k->bytes, type, len);
		if (!r)
			r = add_deflated(k, data, len);
		if (r) {
			k->bytes.len = was;
			return fail(r, "compress an object of %zu bytes", len);
		}
		k->n++;
	}
	(void)oidmap_add(&k->known, ret, 0);
	return k->bytes.len >= FLUSH_BYTES ? flush(k) : 0;
}

int pack_finish(struct pack *k)
{
	int r = flush(k);

	if (!r)
		(void)git_odb_refresh(k->odb);
	pack_abort(k);
	return r;
}
