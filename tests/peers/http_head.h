/* tests/peers/http_head.h - the head of an HTTP/1 answer, and its body's framing.
 *
 * What is parsed comes from programs inside sandboxes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_HEAD_MAX = 64 << 10, HTTP_FIELDS_MAX = 100 };
enum http_head_outcome { HTTP_SHORT = 1, HTTP_BAD };
enum http_body { HTTP_UNTIL_CLOSE, HTTP_LENGTH, HTTP_CHUNKED };

struct http_head {
	unsigned status;
	size_t len; /* of the head, with its empty line */
	enum http_body body;
	uint64_t content_len;
	struct {
		const char *name, *value;
	} fields[HTTP_FIELDS_MAX];
	size_t n;
};

/* Cuts up the head at the start of `text`, in place; `ret` borrows. 0 or an outcome. */
int http_head_parse(char *text, size_t len, struct http_head *ret);

/* A chunked body, undone as it comes. */
struct http_chunks {
	int state;
	uint64_t left;
	size_t line_len;
};

/* Undoes what it can of `in` into `out`, at most `max` bytes; `*used` and `*made` say how far it came.
 * 0, HTTP_BAD, or HTTP_SHORT when this was the end of the body. */
int http_chunks_step(struct http_chunks *c, const char *in, size_t len, char *out, size_t max,
		     size_t *used, size_t *made);
