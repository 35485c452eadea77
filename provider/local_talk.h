/* provider/local_talk.h - a call that is one session with the agent.
 *
 *	HELLO, request, data... --> agent --> WELCOME, replies...
 */
#pragma once

#include "base/buf.h"
#include "provider/local_private.h"

enum { TALK_ID = 1, TALK_CHUNK = 256 << 10 };

struct talk {
	struct local_op op;
	int sock;
	struct wire_stream in;
	struct buf out;
	/* What is still to be sent after the request: `data`, then what `pull` gives (as on_read of struct provider_file). */
	const char *data;
	size_t len;
	ssize_t (*pull)(struct provider_call *c, void *data, size_t cap);
	enum wire_type more; /* of the frames that carry it; an empty one ends */
	bool ended;          /* nothing is left, and that was said */
	bool held;           /* more may be given later: the end is not said yet */
	bool wants;          /* exec_feed said -EAGAIN */
	bool deaf;           /* nothing is to be heard now; talk_wake() ends it */
	struct buf unheard;  /* bytes that on_write would not take */
	/* by kind */
	struct provider_exec *exec;
	struct provider_sink *sink;
	provider_process_fn fn;
	void *arg;
	/* One reply; finishes the call when it was the last. */
	void (*hear)(struct talk *t, const struct wire_frame *f);
	/* Before anything is heard again after talk_wake(); may be NULL. */
	void (*again)(struct talk *t);
};

/* Connects and puts HELLO in front; the caller adds its request. NULL: the call is finished already. */
struct talk *talk_new(struct local *p, const char *id, struct provider_call *c,
		      int64_t default_ms);

/* Is anything to be sent now? */
bool talk_has_more(const struct talk *t);
/* Sends what can be sent. False when the stream is broken. */
bool talk_say(struct talk *t);
/* It is stepped at the next poll, and hears again. */
void talk_wake(struct talk *t);
/* A frame that makes no sense here ends the call. */
void talk_odd(struct talk *t, const struct wire_frame *f);
