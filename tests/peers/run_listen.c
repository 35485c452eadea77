/* tests/peers/run_listen.c - pieces of output, and those who wait for them.
 *
 * Pieces are numbered; each listener has the number of its next one, and a piece is dropped when nobody may still
 * want it. Whoever is too far behind stops the reading for all.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "tests/peers/run_private.h"

void run_poke(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

void run_unpoke(int fd)
{
	uint64_t n;

	(void)!read(fd, &n, sizeof(n));
}

void run_tell_locked(struct run *r)
{
	pthread_cond_broadcast(&r->changed);
	for (struct listener *l = r->listeners; l; l = l->next)
		run_poke(l->event);
}

/* Lets go of what every listener has read. */
static void trim_locked(struct run *r)
{
	uint64_t want = r->first + r->n;
	size_t n;

	for (struct listener *l = r->listeners; l; l = l->next)
		want = l->at < want ? l->at : want;
	if (r->keep || r->hold || want == r->first)
		return;
	n = (size_t)(want - r->first);
	for (size_t i = 0; i < n; i++)
		free(r->pieces[i].data);
	memmove(r->pieces, r->pieces + n, (r->n - n) * sizeof(*r->pieces));
	r->n -= n;
	r->first = want;
}

bool run_is_full_locked(const struct run *r)
{
	if (r->hold && !r->keep)
		return r->n >= RUN_PIECES_MAX;
	for (const struct listener *l = r->listeners; l; l = l->next)
		if (r->first + r->n - l->at >= RUN_PIECES_MAX)
			return true;
	return false;
}

void run_add_piece_locked(struct run *r, int fd, const void *data, size_t len)
{
	if (!len || (r->keep && r->kept + len > RUN_KEEP_MAX))
		return;
	alloc_grow(&r->pieces, &r->cap, r->n + 1, sizeof(*r->pieces));
	r->pieces[r->n++] = (struct held){.fd = fd, .len = len, .data = alloc_copy(data, len)};
	r->kept += len;
	trim_locked(r);
	run_tell_locked(r);
}

struct listener *run_listen(struct run *r, bool from_start)
{
	struct listener *l = alloc_zero(sizeof(*l));

	l->run = run_ref(r);
	l->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_lock(&r->lock);
	l->at = from_start ? r->first : r->first + r->n;
	l->next = r->listeners;
	r->listeners = l;
	r->hold = false;
	pthread_mutex_unlock(&r->lock);
	return l;
}

void run_unlisten(struct listener *l)
{
	struct run *r = l->run;
	struct listener **at = &r->listeners;

	pthread_mutex_lock(&r->lock);
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	trim_locked(r);
	run_poke(r->wake);
	pthread_mutex_unlock(&r->lock);
	close_p(&l->event);
	free(l->current);
	free(l);
	run_unref(r);
}

/* 0, LISTEN_END or LISTEN_NOTHING, without waiting. */
static int take_locked(struct listener *l, struct piece *ret)
{
	struct run *r = l->run;
	struct held *h;

	run_unpoke(l->event);
	if (l->at == r->first + r->n)
		return r->end == RUN_RUNS ? LISTEN_NOTHING : LISTEN_END;
	h = &r->pieces[l->at++ - r->first];
	free(l->current);
	l->current = alloc_copy(h->data, h->len);
	*ret = (struct piece){.fd = h->fd, .len = h->len, .data = l->current};
	trim_locked(r);
	run_poke(r->wake);
	return 0;
}

int run_listener_fd(const struct listener *l)
{
	return l->event;
}

bool run_has_next(struct listener *l)
{
	bool has;

	pthread_mutex_lock(&l->run->lock);
	has = l->at != l->run->first + l->run->n || l->run->end != RUN_RUNS;
	pthread_mutex_unlock(&l->run->lock);
	return has;
}

int run_next(struct listener *l, int timeout_ms, int sock, struct piece *ret)
{
	for (bool last = false;;) {
		struct pollfd fds[2] = {{.fd = l->event, .events = POLLIN},
					{.fd = sock, .events = POLLRDHUP}};
		int r;

		pthread_mutex_lock(&l->run->lock);
		r = take_locked(l, ret);
		pthread_mutex_unlock(&l->run->lock);
		if (r != LISTEN_NOTHING || last)
			return r;
		r = poll(fds, 2, timeout_ms);
		if (fds[1].revents)
			return -EPIPE;
		last = !r;
	}
}
