/* tools/changes.h - what lies between two trees, as diff and show print it.
 */
#pragma once

#include <stdbool.h>

#include "base/oid.h"

struct json_out;
struct project;

struct changes {
	struct project *project;
	struct oid from, to; /* trees; zero is the empty one */
};

/* A/M/D and the path of each change, or only the path. An exit status or a fault. */
int changes_print_names(const struct changes *c, bool only_names);

/* An array of objects: status, path, old_mode, new_mode, old_oid, new_oid. */
int changes_json(const struct changes *c, struct json_out *o);

/* The patch, and "path | 12 ++++---" a file. */
int changes_print_patch(const struct changes *c);
int changes_print_stat(const struct changes *c);

/* The patch as a JSON string field "patch" (with patch_hex where it is not UTF-8). */
int changes_json_patch(const struct changes *c, struct json_out *o);
