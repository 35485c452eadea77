/* provider/e2b_event.h - what envd says about a process and about errors, as values.
 *
 * Pure decoders of foreign JSON: the events of process.Process/Start and Connect, the end of such a
 * stream, and the two shapes of errors that share the host:
 *
 *	{"code":"not_found","message":…}    Connect-RPC, also as {"error":{…}} in an end frame
 *	{"code":404,"message":…}            envd's files, the proxy before it, and the API
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum e2b_event_kind {
	E2B_EVENT_OTHER, /* a keepalive, or something newer than we are */
	E2B_EVENT_START, /* pid */
	E2B_EVENT_DATA,  /* fd; the bytes are appended to the buf */
	E2B_EVENT_END,   /* status */
};

struct e2b_event {
	enum e2b_event_kind kind;
	int64_t pid;
	int fd;     /* 1, 2; a terminal's output is 1 */
	int status; /* exit status, 128 + n after signal n */
};

/* Reads one message of the stream; output goes to `data`. 0 or -EPROTO (silent). */
int e2b_event_read(const char *text, size_t len, struct e2b_event *ret, struct buf *data);

struct e2b_error {
	char code[32];     /* Connect's, "" when it was none */
	long number;       /* REST's, 0 when it was none */
	char message[200]; /* printable */
};

/* Reads an error body; false when it is none of the two shapes (an HTML page, nothing). */
bool e2b_error_read(const char *text, size_t len, struct e2b_error *ret);

/* Reads an end frame: `*failed` and then `err` when it carries an error. 0 or -EPROTO (silent). */
int e2b_end_read(const char *text, size_t len, bool *failed, struct e2b_error *err);

/* The outcome of a Connect code, of its words or of the HTTP status; as envd means it, where "not_found" is a file or process
 * and not the sandbox. */
int e2b_error_outcome(const struct e2b_error *err);
