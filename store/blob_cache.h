/* store/blob_cache.h - large blobs as files: cache/<project id>/<oid>.
 *
 * A file there is a whole blob, checked by its size, and may vanish at any time; an open
 * descriptor keeps its bytes. The cache belongs to one boot of the machine: files are not synced, so what
 * a power cut left is thrown away unread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/oid.h"

struct project;
struct store;

/* Bytes on disk after which the files used least recently go. */
#define BLOB_CACHE_MAX ((uint64_t)2 << 30)

struct blob_cache {
	const struct store *st;
	uint64_t limit; /* BLOB_CACHE_MAX; tests set less */

	pthread_mutex_t child; /* one git at a time: it may need memory for the whole blob */
	pthread_mutex_t lock;  /* guards what follows; inside `child` */
	bool ready;            /* what another boot left is gone, `bytes` was counted */
	uint64_t bytes;        /* about: other processes add and remove too */
};

void blob_cache_init(struct blob_cache *c, const struct store *st);
void blob_cache_deinit(struct blob_cache *c);

/* Opens the file of a blob of `size` bytes for reading, extracting it first when need be. An fd that the caller owns,
 * or a fault. */
int blob_cache_open(struct blob_cache *c, struct project *p, const struct oid *oid,
		    uint64_t size);

/* Removes the files used least recently until at most `limit` bytes are left; returns how many bytes
 * went. */
uint64_t blob_cache_trim(struct blob_cache *c, uint64_t limit);
