/* store/import_json_write.h - documents as commits, by `git fast-import`.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct import_git_child;
struct import_json_doc;
struct import_json_writer;
struct import_stage;

/* Starts writing into the stage. */
int import_json_writer_start(const struct import_git_child *git, struct import_stage *stage,
			     struct import_json_writer **ret);

/* Writes a document as the next commit (numbered from 1). `parent` is the number of an earlier one, or 0: then `onto` is
 * the parent, or none when that is zero. 0 or a fault: git has died then, finish() says why. */
int import_json_writer_add(struct import_json_writer *w, const struct import_json_doc *d,
			   int64_t time, size_t parent, const struct oid *onto);

/* Ends it and frees `w`. `ids` gets the commit of each number (n + 1 elements; 0 is unused). With `ids` NULL
 * everything is abandoned. 0 or a fault. */
int import_json_writer_finish(struct import_json_writer *w, struct oid *ids, size_t n);
