/* store/search_spans.h - which fragments have which content at which path.
 *
 * Fed with the differences of consecutive fragments, it keeps for each (path, blob) the ranges of fragments
 * in which that path has that blob.
 */
#pragma once

#include "base/oidmap.h"
#include "store/search.h"

struct span_file {
	char *path;
	uint32_t blob; /* number of the content */
	struct search_range *ranges;
	size_t n, cap;
};

struct spans {
	struct span_file *files;
	size_t n_files, files_cap;
	struct span_slot *slots; /* path → what is there now, path and blob → its file */
	size_t n_slots, slots_cap;
	struct oidmap blobs; /* oid → number */
	uint32_t n_blobs;
};

void spans_init(struct spans *s);
void spans_deinit(struct spans *s);

/* The number of a content; `fresh` says whether it was met the first time. */
uint32_t spans_blob(struct spans *s, const struct oid *oid, bool *fresh);

/* From fragment `seq` on, `path` has the content `blob`. */
void spans_open(struct spans *s, const char *path, uint32_t blob, uint32_t seq);
/* `last` is the last fragment in which `path` has what it has. */
void spans_close(struct spans *s, const char *path, uint32_t last);
/* The same for every path. */
void spans_close_all(struct spans *s, uint32_t last);
