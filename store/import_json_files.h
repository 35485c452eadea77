/* store/import_json_files.h - the files of one import, by number.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buf;
struct import_request;

struct import_json_files {
	int dir;      /* they are below it */
	char **names; /* ascending */
	size_t n, cap;
	int fd;         /* the one opened last … */
	size_t at;      /* … and which it is */
	uint64_t bytes; /* of all */
};

/* The file, or the documents' files of the folder. 0, IMPORT_REFUSED, or a fault. */
int import_json_files_open(const struct import_request *q, struct import_json_files *ret);
void import_json_files_close(struct import_json_files *f);

/* Descriptor of a file, borrowed until the next call; at its start. -1 and errno when it cannot be opened. */
int import_json_files_fd(struct import_json_files *f, size_t at);

/* Reads a piece again. 0, -ESTALE when it is no longer there, or a fault. */
int import_json_files_read(struct import_json_files *f, size_t at, uint64_t offset, size_t len,
			   struct buf *ret);
