/* store/import_json.h - JSON documents become fragments, and are proven to have.
 *
 * A file holds one document a line, one array of them, or documents after each other; a folder holds such
 * files (.json, .jsonl, .ndjson; those directly in it, by name). store/import_json_doc.h says what a
 * document is, store/import_json_plan.h on which parent each one stands.
 *
 * The newest document becomes HEAD's branch (main in a new project), if that only moves forward; documents that
 * are nobody's parent get a branch fragment/<id>. Documents imported before are known by the id in
 * their commit and are not imported again. Afterwards every document is read back through the
 * fragment it became and compared path by path, byte by byte.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/import.h"

struct store;

/* A document that was not imported, or does not read back as it was. `id` may be NULL. */
struct import_json_problem {
	const char *file; /* as given, or its name in the folder */
	uint32_t line;
	const char *id, *why;
	bool mismatch; /* it was imported, but reads back differently */
};

struct import_json_report {
	char name[PROJECT_NAME_MAX + 1];
	bool created, chain;
	uint64_t documents, imported, known, refused, validated, mismatches;
	uint32_t n_branches; /* side branches made */
	bool head_stayed; /* HEAD's branch has commits that the newest document does not stand on */
	uint32_t fragments; /* in the project now */
};

typedef void (*import_json_problem_fn)(const struct import_json_problem *p, void *arg);

/* `problem` hears of each refused document and mismatch. 0 (also when documents were refused),
 * IMPORT_REFUSED, or a fault; with both of the latter no document was imported. */
int import_json(struct store *st, const struct import_request *q,
		import_json_problem_fn problem, void *arg, struct import_json_report *ret);

/* Whether the name is one of a file with documents. */
bool import_json_is_file(const char *name);
