/* provider/agent/pump.c - two half pipes with one buffer each.
 *
 * The end of one direction is passed on as a half-close, so that a protocol that waits for the end of its input
 * works through a tunnel. A side that does not read stops the other one: nothing is buffered
 * beyond one buffer a direction.
 */
#include "provider/agent/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void make_nonblocking(int fd)
{
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void pump_init(struct pump *p, int a, int b, const void *first, size_t len)
{
	p->a = a;
	p->b = b;
	p->there = (struct pipe_half){.from = a, .to = b};
	p->back = (struct pipe_half){.from = b, .to = a};
	if (len > PUMP_LEN)
		len = PUMP_LEN;
	if (len)
		memcpy(p->there.bytes, first, len);
	p->there.len = len;
	make_nonblocking(a);
	make_nonblocking(b);
}

void pump_deinit(struct pump *p)
{
	close(p->a);
	close(p->b);
}

static short wants_in(const struct pipe_half *h)
{
	return !h->ended && !h->len ? POLLIN : 0;
}

static short wants_out(const struct pipe_half *h)
{
	return h->len ? POLLOUT : 0;
}

void pump_wants(const struct pump *p, struct pollfd fds[2])
{
	fds[0] = (struct pollfd){
		.fd = p->a,
		.events = (short)(wants_in(&p->there) | wants_out(&p->back)),
	};
	fds[1] = (struct pollfd){
		.fd = p->b,
		.events = (short)(wants_in(&p->back) | wants_out(&p->there)),
	};
	/* A closed peer would wake us for ever while we wait for the other side only. */
	for (int i = 0; i < 2; i++)
		if (!fds[i].events)
			fds[i].fd = -1;
}

static bool is_patient(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

static bool flush_half(struct pipe_half *h)
{
	while (h->len) {
		ssize_t n = send(h->to, h->bytes + h->at, h->len, MSG_NOSIGNAL);

		if (n < 0)
			return is_patient(errno);
		h->at += (size_t)n;
		h->len -= (size_t)n;
	}
	return true;
}

static bool serve_half(struct pipe_half *h)
{
	ssize_t n;

	if (!flush_half(h))
		return false;
	if (h->len || h->ended)
		return true;
	n = recv(h->from, h->bytes, sizeof(h->bytes), 0);
	if (n < 0)
		return is_patient(errno);
	if (!n) {
		h->ended = true;
		(void)shutdown(h->to, SHUT_WR);
		return true;
	}
	h->at = 0;
	h->len = (size_t)n;
	return flush_half(h);
}

bool pump_serve(struct pump *p)
{
	return serve_half(&p->there) && serve_half(&p->back) &&
	       !(p->there.ended && p->back.ended);
}
