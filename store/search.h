/* store/search.h - one pattern over every version.
 *
 * Each distinct content is read and matched once, however many fragments hold it; the answer
 * says for each file which ranges of fragments have the line in that path.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct buf;
struct project;

enum {
	SEARCH_BLOB_MAX = 16 << 20, /* larger files are skipped and counted */
	SEARCH_LINES_MAX = 10000,   /* matching lines kept of one file */
	SEARCH_TEXT_MAX = 1000,     /* bytes kept of one line */
	SEARCH_RESULT_MAX =
		64 << 20, /* bytes of lines kept in all; then the search is cut short */
	SEARCH_WHY_MAX = 256,
};

enum search_outcome {
	SEARCH_BAD_PATTERN =
		1, /* not a regular expression; `why` of the statistics says where */
	SEARCH_CANCELLED,
};

struct search_options {
	const char *pattern; /* Perl-compatible, matched line by line */
	bool literal;        /* the pattern is text */
	bool ignore_case;
	bool binary;       /* also files that hold a NUL in their first 8 KiB */
	const char *below; /* only files at or below this path; NULL or "": all */
	uint32_t from, to; /* only these fragments, both included; 0 and 0: all */
	const struct oid *
		tree; /* this one tree instead of fragments; ranges are empty then. NULL: fragments */
	unsigned n_threads;        /* 0: one per processor, at most 16 */
	const atomic_bool *cancel; /* looked at often; may be NULL */
};

struct search_range {
	uint32_t from,
		to; /* fragments, both included; between them, every fragment has the file */
};

struct search_line {
	uint32_t line, column; /* from 1; the column in bytes */
	uint32_t match_len;    /* of the first match in the line, as far as `text` reaches */
	uint32_t len;
	const char *text; /* without its line end; not NUL-terminated */
};

struct search_file {
	const char *path;
	struct oid blob;
	const struct search_range *ranges; /* ascending */
	size_t n_ranges;
	const struct search_line *lines;
	size_t n_lines;
};

struct search_stats {
	uint32_t n_fragments;
	uint64_t n_blobs, n_bytes;  /* that were read */
	uint64_t n_files, n_lines;  /* that were found */
	uint64_t n_binary, n_large; /* that were skipped */
	uint64_t n_costly,
		n_unread; /* given up: the pattern took too long, the object is damaged */
	bool cut;         /* SEARCH_RESULT_MAX or SEARCH_LINES_MAX was reached */
	char why[SEARCH_WHY_MAX]; /* what is wrong with the pattern */
};

/* Calls `fn` for each file with a match, by path and then first fragment, after all of them were searched;
 * what it gets is borrowed during the call. 0, an outcome, a fault, or what `fn` returned. */
typedef int (*search_fn)(const struct search_file *f, void *arg);
int search_run(struct project *p, const struct search_options *o, search_fn fn, void *arg,
	       struct search_stats *stats);

/* Appends "3-17,20". 0 or buf's faults. */
int search_ranges_text(const struct search_range *r, size_t n, struct buf *b);
