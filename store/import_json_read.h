/* store/import_json_read.h - documents out of a file, one after the other.
 *
 * Three shapes are understood, told apart by looking: one document a line (JSON lines); one array of
 * documents; documents that span lines, one or several after each other. A byte order mark, CRLF
 * and blank lines are passed over. At most one document is in memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct import_json_read;

enum import_json_read_outcome {
	IMPORT_JSON_READ_END = 1,
	IMPORT_JSON_READ_TOO_BIG, /* a document over IMPORT_JSON_DOC_MAX: passed over, `ret` says where */
};

/* Where a document stands. */
struct import_json_span {
	const char *text; /* borrowed until the next call */
	size_t len;
	uint64_t offset; /* in the file */
	uint32_t line;   /* of its first byte, from 1 */
};

/* Reads from `fd` (borrowed, from its current position, which must be the start). `lines`: it is known to be one
 * document a line. `max`: the most bytes of one document. */
struct import_json_read *import_json_read_new(int fd, bool lines, size_t max);
void import_json_read_free(struct import_json_read *r);

/* The next piece that ought to be a document; whether it is one, only decoding tells. 0, an outcome, or a fault. */
int import_json_read_next(struct import_json_read *r, struct import_json_span *ret);
