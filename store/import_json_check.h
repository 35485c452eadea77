/* store/import_json_check.h - does a fragment say what the document said?
 */
#pragma once

#include "base/oid.h"
#include "store/import_json_doc.h"

struct project;

enum import_json_check_outcome {
	IMPORT_JSON_DIFFERS = 1, /* `why` names the first path, or what else */
};

/* Reads the fragment of `commit` through the store, as the mount and every tool do: its number, its listings, its
 * blobs; and compares every path and byte, both ways, and the message. 0, IMPORT_JSON_DIFFERS, or a
 * fault. */
int import_json_check(struct project *p, const struct oid *commit,
		      const struct import_json_doc *d, char why[IMPORT_JSON_WHY_MAX]);
