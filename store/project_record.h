/* store/project_record.h - what the index remembers of a project.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/fingerprint.h"
#include "store/index.h"
#include "store/project.h"

struct project_record {
	char name[PROJECT_NAME_MAX + 1];
	bool counted; /* `seen`, `last` and `count` belong together; else a refresh must look */
	uint32_t last;           /* the highest number ever assigned */
	uint32_t count;          /* fragments in the index */
	struct fingerprint seen; /* refs as they were then */
	uint64_t fragments_seen; /* the same of what holds refs/fragments/ alone; 0 for never */
};

/* 0, INDEX_MISSING (also for bytes that do not decode), or a fault. */
int project_record_read(struct index *ix, uint64_t id, struct project_record *ret);

/* In a transaction of its own, or in a batch. */
int project_record_write(struct index *ix, uint64_t id, const struct project_record *rec);
int project_record_put(struct index_batch *b, uint64_t id, const struct project_record *rec);

/* 0 or -EINVAL, silent. */
int project_record_decode(const void *val, size_t len, struct project_record *ret);
