/* provider/http_wait.c - epoll for the library's sockets, poll for the caller's.
 *
 * The caller's descriptors change from call to call and are few; the library's are many and change seldom.
 * So the first are handed to poll(2) each time, together with the one descriptor that stands for the second.
 */
#include "provider/http_wait.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

int http_wait_init(struct http_wait *w)
{
	struct epoll_event e = {.events = EPOLLIN};

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e.data.fd = w->bell_fd;
	if (w->epoll_fd < 0 || w->bell_fd < 0 ||
	    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->bell_fd, &e) < 0) {
		int r = fail(-errno, "http: make an epoll set");

		http_wait_deinit(w);
		return r;
	}
	return 0;
}

void http_wait_deinit(struct http_wait *w)
{
	close_p(&w->epoll_fd);
	close_p(&w->bell_fd);
	w->epoll_fd = w->bell_fd = -1;
}

int http_wait_watch(struct http_wait *w, int fd, unsigned events)
{
	struct epoll_event e = {.data.fd = fd};

	if (!events) {
		/* The library may have closed it already, which took it out. */
		(void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	e.events = (events & HTTP_WAIT_IN ? EPOLLIN : 0U) |
		   (events & HTTP_WAIT_OUT ? EPOLLOUT : 0U);
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, fd, &e) == 0 ||
	    (errno == ENOENT && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0))
		return 0;
	return fail(-errno, "http: watch a socket");
}

size_t http_wait_ready(struct http_wait *w, struct http_ready ret[HTTP_WAIT_MAX])
{
	struct epoll_event events[HTTP_WAIT_MAX];
	int n = epoll_wait(w->epoll_fd, events, HTTP_WAIT_MAX, 0);
	size_t found = 0;

	for (int i = 0; i < n; i++) {
		unsigned e = events[i].events;
		uint64_t rung;

		if (events[i].data.fd == w->bell_fd) {
			w->rung |= read(w->bell_fd, &rung, sizeof(rung)) > 0;
			continue;
		}
		ret[found].fd = events[i].data.fd;
		ret[found++].events =
			(e & EPOLLIN ? (unsigned)HTTP_WAIT_IN : 0U) |
			(e & EPOLLOUT ? (unsigned)HTTP_WAIT_OUT : 0U) |
			(e & (EPOLLERR | EPOLLHUP) ? (unsigned)HTTP_WAIT_ERR : 0U);
	}
	return found;
}

int http_wait_for(struct http_wait *w, const int *fds, size_t n_fds, int timeout_ms,
		  bool *theirs)
{
	CLEANUP(free_p) struct pollfd *set = alloc_array(n_fds + 1, sizeof(*set));

	set[0].fd = w->epoll_fd;
	set[0].events = POLLIN;
	for (size_t i = 0; i < n_fds; i++) {
		set[i + 1].fd = fds[i];
		set[i + 1].events = POLLIN;
	}
	*theirs = false;
	if (poll(set, n_fds + 1, timeout_ms) < 0)
		return errno == EINTR ? 0 : fail(-errno, "http: poll");
	for (size_t i = 1; i <= n_fds; i++)
		*theirs |= set[i].revents != 0;
	return 0;
}

void http_wait_ring(struct http_wait *w)
{
	uint64_t one = 1;

	(void)!write(w->bell_fd, &one, sizeof(one));
}
