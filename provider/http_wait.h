/* provider/http_wait.h - a set of sockets to wait for, and a bell.
 *
 * An epoll set with an eventfd in it, for a library that says which of its sockets it wants watched. The set
 * is itself a descriptor that polls readable when one of them is ready.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct http_wait {
	int epoll_fd, bell_fd;
	bool rung; /* set by http_wait_ready(), cleared by whoever heard it */
};

enum { HTTP_WAIT_IN = 1, HTTP_WAIT_OUT = 2, HTTP_WAIT_ERR = 4, HTTP_WAIT_MAX = 64 };

struct http_ready {
	int fd;
	unsigned events; /* HTTP_WAIT_… */
};

int http_wait_init(struct http_wait *w);
void http_wait_deinit(struct http_wait *w);

/* Watches `fd` for HTTP_WAIT_IN | OUT from now on; 0 forgets it. */
int http_wait_watch(struct http_wait *w, int fd, unsigned events);

/* What is ready now, without waiting; at most HTTP_WAIT_MAX. The bell is silenced and noted in `rung`. */
size_t http_wait_ready(struct http_wait *w, struct http_ready ret[HTTP_WAIT_MAX]);

/* Waits until something in the set, the bell or one of `fds` is ready, or `timeout_ms` (-1: for ever).
 * `*theirs`: one of `fds` was. 0 or a fault; a signal ends the wait early. */
int http_wait_for(struct http_wait *w, const int *fds, size_t n_fds, int timeout_ms,
		  bool *theirs);

/* From any thread. */
void http_wait_ring(struct http_wait *w);
