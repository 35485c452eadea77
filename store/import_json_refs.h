/* store/import_json_refs.h - the branches of imported documents, and what earlier imports left.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct import_json_plan;
struct import_stage;
struct project;

struct import_json_refs_result {
	uint32_t n_branches; /* side branches made */
	bool head_stayed;    /* HEAD's branch could not move forward to the newest document */
};

/* Adds a STORED entry for every fragment whose commit carries a document's id. */
int import_json_refs_known(struct project *p, struct import_json_plan *plan);

/* Branches of a new project, in the stage: main at the newest, a side branch at every other tip. */
int import_json_refs_write(struct import_stage *s, const struct import_json_plan *plan,
			   struct import_json_refs_result *ret);

/* The same in a project that is there: HEAD's branch moves forward or stays; side branches whose commit got
 * a child here are removed. */
int import_json_refs_move(struct project *p, const struct import_json_plan *plan,
			  struct import_json_refs_result *ret);
