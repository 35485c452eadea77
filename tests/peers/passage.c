/* tests/peers/passage.c - the agent's FORWARD, over a provider of its own.
 */
#include "tests/peers/passage.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "provider/agent/wire.h"
#include "provider/provider.h"
#include "tests/peers/guest.h"

enum { PASSAGE_ID = 1, PATIENCE_MS = 60000 };

struct passage {
	struct provider *provider;
	struct channel *ch;
	struct wire_stream in;
	struct wire_data first; /* what came behind the agent's OK */
};

struct opening {
	const char *id;
	struct channel *ch;
};

static int start_open(struct provider *p, void *arg, struct provider_call *c)
{
	struct opening *o = arg;

	return provider_agent_open(p, o->id, &o->ch, c);
}

int passage_send(struct passage *p, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = p->ch->ops->send(p->ch, at, len);

		if (n == -EAGAIN) {
			if (provider_poll(p->provider, NULL, 0, PATIENCE_MS) < 0)
				return -EPIPE;
			continue;
		}
		if (n <= 0)
			return -EPIPE;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t passage_recv(struct passage *p, void *data, size_t max, int fd)
{
	size_t n = p->first.len < max ? p->first.len : max;

	if (n) {
		memcpy(data, p->first.p, n);
		p->first = wire_data((const char *)p->first.p + n, p->first.len - n);
		return (ssize_t)n;
	}
	for (;;) {
		int fds[2] = {p->ch->ops->fd(p->ch), fd};
		struct pollfd client = {.fd = fd, .events = POLLIN | POLLRDHUP};
		ssize_t got = p->ch->ops->recv(p->ch, data, max);

		if (got != -EAGAIN)
			return got < 0 ? -EPIPE : got;
		if (fd >= 0 && poll(&client, 1, 0) > 0)
			return -EAGAIN;
		if (provider_poll(p->provider, fds, fd >= 0 ? 2 : 1, -1) < 0)
			return -EPIPE;
	}
}

/* The agent's answer to FORWARD. */
static int hear(struct passage *p)
{
	for (;;) {
		struct wire_frame f;
		size_t room;
		void *to;
		ssize_t n;

		while (!wire_stream_next(&p->in, &f)) {
			if (f.type == WIRE_OK) {
				p->first = wire_stream_rest(&p->in);
				return 0;
			}
			if (f.type != WIRE_WELCOME)
				return PASSAGE_CLOSED;
		}
		to = wire_stream_room(&p->in, &room);
		n = to ? passage_recv(p, to, room, -1) : -ENOMEM;
		if (n <= 0)
			return PASSAGE_CLOSED;
		wire_stream_filled(&p->in, (size_t)n);
	}
}

int passage_open(struct guest *g, uint16_t port, struct passage **ret)
{
	struct passage *p = alloc_zero(sizeof(*p));
	struct opening o = {.id = g->inner};
	struct buf out;
	int r;

	wire_stream_init(&p->in);
	p->provider = guests_provider(g->all);
	r = p->provider ? provider_run(p->provider, start_open, &o, 0, NULL) : -EIO;
	p->ch = o.ch;
	if (r) {
		passage_close(p);
		return PASSAGE_ASLEEP;
	}
	buf_init(&out, 4096);
	(void)wire_encode(&out, &(struct wire_frame){.type = WIRE_HELLO,
						     .id = PASSAGE_ID,
						     .version = WIRE_VERSION});
	(void)wire_encode(&out, &(struct wire_frame){
					.type = WIRE_FORWARD, .id = PASSAGE_ID, .port = port});
	r = passage_send(p, out.data, out.len) ? PASSAGE_CLOSED : hear(p);
	buf_deinit(&out);
	if (r)
		passage_close(p);
	else
		*ret = p;
	return r;
}

void passage_close(struct passage *p)
{
	if (p->ch)
		p->ch->ops->close(p->ch);
	provider_free(p->provider);
	wire_stream_deinit(&p->in);
	free(p);
}
