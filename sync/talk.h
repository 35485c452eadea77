/* sync/talk.h - a conversation with an agent: frames out under a ceiling, frames in.
 */
#pragma once

#include <stdbool.h>

#include "provider/agent/wire.h"

struct channel;

enum {
	TALK_QUEUE_MAX = 2 * WIRE_DATA_MAX, /* unsent bytes before the sender must wait */
};

enum talk_outcome {
	TALK_NOTHING = 1, /* no whole frame is there yet */
	TALK_ENDED,       /* the stream is closed */
	TALK_BAD,         /* what came is not a frame */
};

struct talk {
	struct channel *ch; /* NULL: not talking */
	struct buf out;
	size_t out_at;
	struct wire_stream in;
	bool ended;
	uint64_t n_sent; /* bytes that left */
};

/* Takes `ch` over. */
void talk_open(struct talk *t, struct channel *ch);
void talk_close(struct talk *t);

/* May another frame be queued? */
bool talk_has_room(const struct talk *t);

/* Queues a frame. 0; -EINVAL or -E2BIG when the frame breaks a limit. */
int talk_put(struct talk *t, const struct wire_frame *f);

/* Sends what the channel takes. True when something left. */
bool talk_flush(struct talk *t);
bool talk_is_flushed(const struct talk *t);

/* The next frame; it stays valid until the next call. 0 or an outcome. */
int talk_next(struct talk *t, struct wire_frame *ret);

/* What to poll for input; -1: nothing. */
int talk_fd(const struct talk *t);
