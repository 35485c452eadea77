/* store/index_fill.h - a pass of numbering, written to the index in one transaction.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/first_seen.h"
#include "store/number.h"
#include "store/project_record.h"

struct project;

struct index_fill {
	struct project *project;
	const struct number *number;         /* nodes with their numbers */
	const struct first_seen_root *roots; /* one per node, in the same order */
	const struct first_seen_blob *blobs;
	size_t n_blobs;
	bool anew; /* throw everything the index has of the project away first */
	const struct project_record *record; /* as it is to be */
};

/* Deletes the records of project `id` in all tables but INDEX_PROJECT. */
int index_fill_clear(struct index_batch *b, uint64_t id);

/* 0 or a fault, after which nothing has changed. */
int index_fill(const struct index_fill *fill);
