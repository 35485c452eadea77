/* store/import_json_plan.h - which documents become commits, in which order, on which parents.
 *
 * Pure: values in, values out. Parents: what `parentId` names, in the same import (also further down)
 * or in an earlier one. When no document of an import has a parentId, they are versions of one
 * app, one after the other: a chain in the order of createdAt (documents without one keep
 * their place behind the document before them), on top of `tip`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

enum import_json_state {
	IMPORT_JSON_STORED,  /* a commit of an earlier import, no document of this one */
	IMPORT_JSON_NEW,     /* a document that becomes a commit */
	IMPORT_JSON_AGAIN,   /* a document that an earlier import made a commit of: `stored` */
	IMPORT_JSON_REFUSED, /* `why` */
};

struct import_json_entry {
	enum import_json_state state;
	char *id, *parent; /* NULL when unknown or absent */
	char *why;         /* of a refused one */
	bool has_time;
	int64_t time;
	uint32_t file, line; /* where it stands: index into the caller's list of files */
	uint64_t offset;
	size_t len;
	size_t stored; /* AGAIN: the entry of the earlier import */
	size_t parent_at; /* the parent's entry, or SIZE_MAX: `parent_oid`, or none when that is zero */
	struct oid parent_oid;
	struct oid commit;   /* STORED; NEW once written */
	uint32_t n_children; /* among this import's documents */
};

struct import_json_plan {
	struct import_json_entry *entries;
	size_t n, cap;
	size_t *order; /* entries to write, parents before children */
	size_t n_order;
	size_t newest; /* the last of them in time; SIZE_MAX when there is none */
	bool chain;
	size_t *slots; /* id → entry, open addressing, entry + 1 */
	size_t n_slots, n_ids;
};

void import_json_plan_init(struct import_json_plan *p);
void import_json_plan_deinit(struct import_json_plan *p);

/* Adds an entry; strings become the plan's. A document whose id is taken by another of this import is refused; one
 * whose id is STORED becomes AGAIN; of two STORED ones with the same id the first counts. Documents are added after all STORED ones. */
void import_json_plan_add(struct import_json_plan *p, const struct import_json_entry *e);

/* Turns an entry into a refused one. */
void import_json_plan_refuse(struct import_json_plan *p, size_t at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Decides parents and order; refuses documents whose parents are unknown, refused, or go in circles. `tip`: what a
 * chain stands on, zero for nothing. `first_time` serves documents before any that has a time. */
void import_json_plan_settle(struct import_json_plan *p, const struct oid *tip,
			     int64_t first_time);

/* The entry of an id, or SIZE_MAX. */
size_t import_json_plan_find(const struct import_json_plan *p, const char *id);
