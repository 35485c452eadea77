/* store/blob.h - file contents.
 *
 * Small blobs are inflated into memory; larger ones once into the extracted cache, a file that
 * is then read with pread. The header's size is looked at before anything is inflated.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/oid.h"

struct buf;
struct project;
struct store;

enum {
	BLOB_MEMORY_MAX = 1 << 20, /* above, the extracted cache is used */
};
#define BLOB_SIZE_MAX ((uint64_t)2 << 30) /* larger blobs are refused with -EFBIG, unread */

enum blob_outcome {
	BLOB_MISSING = 1, /* not in the object store any more */
};

/* 0, BLOB_MISSING, or a fault (-EIO for a corrupt object). */
int blob_size(struct project *p, const struct oid *oid, uint64_t *ret);

/* Appends the content to `b` (its ceiling: -E2BIG, before anything is inflated). */
int blob_read(struct project *p, const struct oid *oid, struct buf *b);

/* Reads up to `len` bytes at `off` into `data`; returns how many (0 past the end), BLOB_MISSING as
 * -ENOENT, or a fault. Repeated and concurrent calls over one blob inflate it once. */
ssize_t blob_pread(struct project *p, const struct oid *oid, void *data, size_t len,
		   uint64_t off);

/* Like blob_pread() but lends the bytes, valid until blob_done(): no copy for small blobs.  */
struct blob_view {
	const void *data; /* NULL when `fd` is to be used */
	size_t len;
	int fd; /* extracted file, borrowed, or -1 */
	void *owner;
};
int blob_view(struct project *p, const struct oid *oid, struct blob_view *ret);
void blob_done(struct blob_view *v);
