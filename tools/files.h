/* tools/files.h - the files of a tree, listed.
 */
#pragma once

#include "base/oid.h"

struct json_out;
struct project;
struct tree_entry;

/* Mode, size and path of every file below the tree. An exit status. */
int files_print(struct project *p, const struct oid *tree);

/* One directory, as it stands. */
int files_print_directory(struct project *p, const struct oid *tree);

/* An array of objects: path, mode, type, oid, size; refused entries with "refused": why. An exit status. */
int files_json(struct project *p, const struct oid *tree, struct json_out *o);

/* The fields mode, type, oid, size of one entry. */
void files_entry_json(struct json_out *o, const struct tree_entry *e);
