/* tests/peers/transfer.h - whole files into and out of a sandbox, of any size, in bounded memory.
 *
 * A file is written as the vendors' daemons write it: in place, following links, the mode of an existing one kept, parents
 * made. The functions wait; errors are an enum script_exit, SCRIPT_ASLEEP or a fault, `why` has 256 bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/peers/request.h"

struct guest;
struct sink;

int sink_open(struct guest *g, const char *path, struct sink **ret, char *why);
/* False: it failed; sink_close() says how. */
bool sink_write(struct sink *s, const void *data, size_t len);
uint64_t sink_len(const struct sink *s);
/* Waits until everything is written, and frees. */
int sink_close(struct sink *s, char *why);

struct file_facts {
	uint64_t size;
	int64_t mtime;
	bool is_dir;
};

int file_facts(struct guest *g, const char *path, struct file_facts *ret, char *why);

/* Pieces of a file as they come out of the sandbox; `len` bytes from `at` on. */
struct tap;
int tap_open(struct guest *g, const char *path, uint64_t at, uint64_t len, struct tap **ret,
	     char *why);
/* At most `max` bytes; 0 at the end, -EPIPE when they cannot be had. */
ssize_t tap_read(struct tap *t, char *to, size_t max);
void tap_close(struct tap *t);

/* Answers with the file, honouring Range and If-Modified-Since. `headers` are added. */
void send_file(struct request *r, const char *path, const struct file_facts *facts,
	       const char *type, const char *disposition);
