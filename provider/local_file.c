/* provider/local_file.c - put and fetch: bytes of any number, one session with the agent each.
 *
 * Nothing is held here but a piece: a put takes the next one when the socket has taken the last, a fetch stops
 * listening while its reader has not.
 */
#include <errno.h>

#include "provider/local_talk.h"

static void hear_put(struct talk *t, const struct wire_frame *f)
{
	if (f->type == WIRE_OK)
		local_op_finish(&t->op, 0, NULL);
	else
		talk_odd(t, f);
}

int local_put(struct provider *p, const char *id, const struct provider_file *file,
	      struct provider_call *c)
{
	struct wire_frame f = {
		.type = WIRE_PUT,
		.id = TALK_ID,
		.mode = file->mode,
		.path = wire_str(file->path),
	};
	struct talk *t = talk_new(local_of(p), id, c, LOCAL_CALL_MS);

	if (!t)
		return 0;
	t->hear = hear_put;
	t->data = file->data;
	t->len = file->data ? file->len : 0;
	t->pull = file->data ? NULL : file->on_read;
	t->more = WIRE_MORE;
	t->ended = false;
	if (wire_encode(&t->out, &f))
		local_op_finish(&t->op, PROVIDER_REFUSED, "'%.200s' is no path", file->path);
	return 0;
}

/* Bytes of a file for whoever reads it. */
static void give(struct talk *t, const void *data, size_t len)
{
	struct provider_sink *to = t->sink;
	int r = to->on_write ? to->on_write(t->op.c, data, len) : buf_add(to->into, data, len);

	if (r == -EAGAIN && to->on_write) {
		t->deaf = true;
		r = t->unheard.len ? 0 : buf_add(&t->unheard, data, len);
	} else if (r && !to->on_write) {
		local_op_finish(&t->op, r, "the file is larger than %zu bytes",
				to->into->limit);
		return;
	} else if (data == t->unheard.data) {
		buf_clear(&t->unheard);
	}
	if (r)
		local_op_finish(&t->op, r, NULL);
}

static void give_again(struct talk *t)
{
	if (t->unheard.len)
		give(t, t->unheard.data, t->unheard.len);
}

static void hear_fetch(struct talk *t, const struct wire_frame *f)
{
	if (f->type == WIRE_END)
		local_op_finish(&t->op, 0, NULL);
	else if (f->type == WIRE_BYTES)
		give(t, f->data.p, f->data.len);
	else
		talk_odd(t, f);
}

int local_fetch(struct provider *p, const char *id, struct provider_sink *to,
		struct provider_call *c)
{
	struct wire_frame f = {.type = WIRE_FETCH, .id = TALK_ID, .path = wire_str(to->path)};
	struct talk *t = talk_new(local_of(p), id, c, LOCAL_CALL_MS);

	if (!t)
		return 0;
	t->hear = hear_fetch;
	t->again = give_again;
	t->sink = to;
	if (wire_encode(&t->out, &f))
		local_op_finish(&t->op, PROVIDER_REFUSED, "'%.200s' is no path", to->path);
	return 0;
}

void local_more(struct provider *p, struct provider_call *c)
{
	for (struct local_op *op = local_of(p)->ops; op; op = op->next) {
		struct talk *t = (struct talk *)(void *)op;

		if (op->c != c || op->finished || !op->is_talk)
			continue;
		if (t->pull)
			t->held = false;
		talk_wake(t);
	}
}
