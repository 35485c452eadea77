/* Talking to an agent over a channel that never blocks.
 *
 * Frames to send wait in one buffer of two data frames at most, whatever the size of the files behind them; the caller
 * asks talk_has_room() before it reads more. A channel that broke looks as one that ended: which of the two it
 * was makes no difference to what has to be done.
 */
#include "sync/talk.h"

#include <errno.h>

#include "provider/provider.h"

enum { QUEUE_ROOM = WIRE_FRAME_MAX + 4 };

void talk_open(struct talk *t, struct channel *ch)
{
	*t = (struct talk){.ch = ch};
	buf_init(&t->out, TALK_QUEUE_MAX + QUEUE_ROOM);
	wire_stream_init(&t->in);
}

void talk_close(struct talk *t)
{
	if (!t->ch)
		return;
	t->ch->ops->close(t->ch);
	buf_deinit(&t->out);
	wire_stream_deinit(&t->in);
	*t = (struct talk){0};
}

bool talk_has_room(const struct talk *t)
{
	return t->out.len - t->out_at < TALK_QUEUE_MAX;
}

int talk_put(struct talk *t, const struct wire_frame *f)
{
	return wire_encode(&t->out, f);
}

/* Unsent bytes move to the front once they are the smaller part. */
static void compact(struct talk *t)
{
	size_t left = t->out.len - t->out_at;

	if (!left) {
		buf_clear(&t->out);
		t->out_at = 0;
		return;
	}
	if (t->out_at < left)
		return;
	memmove(t->out.data, t->out.data + t->out_at, left);
	t->out.len = left;
	t->out_at = 0;
}

bool talk_flush(struct talk *t)
{
	bool moved = false;

	while (t->ch && !t->ended && t->out_at < t->out.len) {
		ssize_t n = t->ch->ops->send(t->ch, t->out.data + t->out_at,
					     t->out.len - t->out_at);

		if (n == -EAGAIN || n == 0)
			break;
		if (n < 0) {
			/* Replies that came before the break are still to be read. */
			t->out_at = t->out.len;
			break;
		}
		t->out_at += (size_t)n;
		t->n_sent += (uint64_t)n;
		moved = true;
	}
	if (t->ch)
		compact(t);
	return moved;
}

bool talk_is_flushed(const struct talk *t)
{
	return t->out_at == t->out.len;
}

int talk_next(struct talk *t, struct wire_frame *ret)
{
	for (;;) {
		int r = wire_stream_next(&t->in, ret);
		size_t room;
		ssize_t n;
		void *p;

		if (r == 0)
			return 0;
		if (r == WIRE_BAD)
			return TALK_BAD;
		if (t->ended)
			return TALK_ENDED;
		p = wire_stream_room(&t->in, &room);
		n = p ? t->ch->ops->recv(t->ch, p, room) : -ENOMEM;
		if (n == -EAGAIN)
			return TALK_NOTHING;
		if (n <= 0) {
			t->ended = true;
			return TALK_ENDED;
		}
		wire_stream_filled(&t->in, (size_t)n);
	}
}

int talk_fd(const struct talk *t)
{
	return t->ch ? t->ch->ops->fd(t->ch) : -1;
}
