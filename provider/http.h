/* provider/http.h - thousands of HTTP requests on one thread.
 *
 * A client owns one curl multi (HTTP/2 where TLS negotiates it, keep-alive, bounded connections) and an epoll set, so that a
 * poll costs what is ready, not what is open. The caller fills a request, starts it, and gets
 * `done` exactly once, from inside http_poll() and never from inside http_start() or another callback. Every
 * function here may be called from every callback. Nothing is global and there is no lock: a client and its
 * requests belong to one thread; only http_wake() may come from another.
 *
 * Security: TLS is always verified (1.2 and up; a CA file may be named), redirects are never followed, and
 * secrets live in `secrets` only: they are copied, zeroed when the request ends, and blanked out of `why`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "provider/http_outcome.h"

struct clock;
struct http;
struct http_exchange;

enum {
	HTTP_REPLY_MAX = 8 << 20,  /* default ceiling of a reply held in memory */
	HTTP_ERROR_MAX = 64 << 10, /* of an error's body */
	HTTP_HEADERS_MAX = 64 << 10,
	HTTP_URL_LIMIT = 16 << 10,
	HTTP_CONNECT_MS = 10000,
	HTTP_DEADLINE_MS = 60000,
};

struct http_config {
	const char *user_agent; /* NULL: "fragfs" */
	const char *ca_file;    /* trusted instead of the system's; NULL: the system's */
	const char *proxy;      /* NULL: what the environment says (http_proxy, no_proxy …) */
	int64_t connect_ms;     /* 0: HTTP_CONNECT_MS */
	uint32_t max_per_host;  /* connections; 0: 256. More requests wait their turn */
	uint32_t max_total;     /* 0: 1024 */
	const struct clock *clock; /* NULL: the machine's */
};

/* All strings are copied by http_start(); `body` and the request itself stay the caller's and alive until `done`. */
struct http_request {
	/* set by the caller */
	const char *method;         /* "GET" … */
	const char *url;            /* http or https, without user or password */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const char *const *secrets; /* the same, never shown */
	/* What a 2xx reply with a body has to be, e.g. "application/json"; several are separated by a space. NULL: anything. */
	const char *expect;
	/* The body: from memory, or pulled from `on_send`, or none. */
	const void *body;
	size_t body_len;
	/* Up to `cap` bytes: how many, 0 at the end, -EAGAIN (paused until http_resume()), or a fault that
	 * ends the request. `body_size` is what it will yield in all, or -1. */
	ssize_t (*on_send)(struct http_request *r, void *data, size_t cap);
	int64_t body_size;
	/* The body of a 2xx reply as it comes, instead of http_reply(): 0, -EAGAIN (nothing taken; the same bytes come
	 * again after http_resume()), or a fault that ends the request. */
	int (*on_body)(struct http_request *r, const void *data, size_t len);
	bool bulk; /* large transfer: big buffers, and an end that cannot be told from a cut is a cut */
	size_t reply_limit;  /* ceiling of http_reply(); 0: HTTP_REPLY_MAX */
	int64_t deadline_ms; /* from start to end; 0: HTTP_DEADLINE_MS; < 0: none */
	int64_t head_ms;     /* from start to the reply's headers; 0: none of its own */
	int64_t stall_ms; /* without a byte of a body moving, while it is not paused by us; 0: none */
	/* 0 (2xx, whole, of the expected type), an outcome of enum provider_outcome as http_outcome.h's table maps it, or a
	 * fault: -ETIMEDOUT (some deadline), -ECANCELED, -E2BIG (a ceiling), -EPROTO (not what was expected), or a
	 * callback's own. The request may be freed or started again in it. */
	void (*done)(struct http_request *r, int result);
	void *arg;
	/* set before `done` */
	long status;      /* 0: no reply */
	int64_t retry_ms; /* Retry-After, or 0 */
	bool sent; /* some of it may have reached the server: only then may it have had an effect */
	char why[HTTP_WHY_MAX]; /* a sentence without secrets, "" when the result is 0 */
	/* the client's own */
	struct http_exchange *impl;
};

int http_new(const struct http_config *config, struct http **ret);
/* Running requests are dropped; their `done` is not called. */
void http_free(struct http *h);

/* 0, or PROVIDER_REFUSED with `why` set (a URL or header that cannot be sent); `done` comes only after 0.
 * A POST or PATCH is never sent a second time by the client, not even after a kept connection died. */
int http_start(struct http *h, struct http_request *r);

/* `done` comes with -ECANCELED from the next http_poll(); no other callback is called any more. */
void http_cancel(struct http *h, struct http_request *r);

/* Goes on after a callback said -EAGAIN; harmless otherwise. */
void http_resume(struct http *h, struct http_request *r);

/* A response header's value, NULL when it is missing; valid inside on_body and `done`. */
const char *http_header(const struct http_request *r, const char *name);

/* The body that came: of a 2xx without on_body, or of an error (its first HTTP_ERROR_MAX bytes). Followed by a
 * NUL; valid inside `done`. */
const char *http_reply(const struct http_request *r, size_t *len);

/* Blanks the request's secrets out of `text`. For words of the server that are shown; valid inside `done`. */
void http_hide(const struct http_request *r, char *text);

/* Makes progress and calls `done`s; waits at most `timeout_ms` (-1: for ever, 0: not at all) for something to happen,
 * also for input on `fds`. Returns how many `done`s were called, or a fault. */
int http_poll(struct http *h, const int *fds, size_t n_fds, int timeout_ms);

/* For a caller with a loop of its own: polls readable when http_poll() has work, which it also has after so
 * many milliseconds (-1: only then). */
int http_fd(const struct http *h);
int http_wait_ms(struct http *h);

/* Makes a waiting http_poll() return; from any thread. */
void http_wake(struct http *h);

/* How many requests are under way. */
size_t http_running(const struct http *h);
