/* provider/e2b_process.h - a command under way inside a sandbox, between the files that run it, feed it and find it.
 *
 *	WAITING ──start event──▶ RUNNING ──end event, end frame──▶ done
 *	                           │ background, input all gone
 *	                           └──▶ done, and the stream is left
 */
#pragma once

#include "provider/connect_frame.h"
#include "provider/e2b_private.h"

enum {
	E2B_INPUT_CHUNK = 192 << 10, /* of one request */
	E2B_INPUT_MAX = 1 << 20,     /* fed and not sent yet */
	E2B_TAG_LEN = 16,
};

struct e2b_process {
	struct e2b_op op; /* op.http is the stream */
	struct provider_exec *x;
	struct connect_reader frames;
	struct buf out;
	int64_t pid; /* 0: not started */
	bool held;   /* the caller wants no output now */
	int status;
	bool attached;      /* found, not started: not ours to kill */
	bool ended, failed; /* the end event; the end frame carried `err` */
	bool left;          /* a background command that runs: the stream is not needed */
	struct e2b_error err;
	char tag[E2B_TAG_LEN + 1]; /* of a background command */

	/* Input: `x->in`, then what was fed, one request at a time. */
	struct http_request in;
	struct buf in_body, fed;
	size_t in_at; /* of x->in */
	bool in_busy, in_closing, in_over;
	bool feed_ended, wants_room;
	int in_result; /* why the stream was given up, because of the input */
	bool over;     /* the stream is done, and only `in` is waited for */
	char in_why[HTTP_WHY_MAX];
};

static inline struct e2b_process *e2b_process_of(struct e2b_op *op)
{
	return (struct e2b_process *)(void *)op;
}

/* e2b_input.c: sends what there is to send, closes the input when it is over; also settles a background command whose input
 * is all gone. */
void e2b_input_go(struct e2b_process *s);

/* e2b_process.c */
void e2b_process_leave(struct e2b_process *s);
/* Sends a signal to the process group of `pid`, without waiting for what comes of it. */
void e2b_process_signal(struct e2b *p, const char *id, int64_t pid, int number);
