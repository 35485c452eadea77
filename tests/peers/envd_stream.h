/* tests/peers/envd_stream.h - an answer of envd that is a stream of frames.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct json;
struct request;
struct run;

/* Streams what `run` (a reference, taken over) writes: from its start, or from now on, until
 * `deadline_ms` from now at most (-1: no bound). `pty`: output is a terminal's. */
struct stream_of {
	struct run *run;
	bool from_start, pty;
	int64_t deadline_ms;
};
void envd_stream(struct request *r, const struct stream_of *of);

/* A stream that is its last frame only. */
void envd_stream_refuse(struct request *r, const char *code, const char *message);

/* The message of a stream's request, parsed into r->json; NULL: refused already. */
const struct json *envd_stream_message(struct request *r);
