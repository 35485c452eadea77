/* tests/peers/scripted.h - an HTTP server that says exactly the bytes it was told to.
 *
 * For what a library's server would not do: cut a reply at byte k, reset, hang, drip, lie about the length. A script is a
 * list of replies; the first that matches a request and is not used up answers it. Every request is kept, so that
 * tests can look at what was on the wire. It listens on a free port of 127.0.0.1, with a thread per connection.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum scripted_end {
	SCRIPTED_KEEP = 0, /* the connection stays open for the next request */
	SCRIPTED_CLOSE,
	SCRIPTED_RESET,
	SCRIPTED_HANG,    /* say nothing more, keep it open */
	SCRIPTED_ENDLESS, /* say the body again and again */
	SCRIPTED_DRIP,    /* one byte of the body each 20 ms */
};

struct scripted_reply {
	const char *match; /* prefix of "GET /path?query"; NULL: any */
	const char *
		head; /* status line and headers, without the empty line; NULL: nothing is said */
	const void *body;
	size_t body_len; /* 0: strlen(body) */
	size_t cut;      /* only so many bytes of the body; 0: all */
	/* Content-Length: 0 adds the right one, -1 none, else this one */
	int64_t length;
	enum scripted_end end;
	int uses; /* 0: any number */
};

struct scripted_request {
	char *line; /* "POST /path?query" */
	char *head; /* all header lines, as they came */
	char *body; /* unchunked, NUL after it */
	size_t body_len;
	unsigned connection; /* which one it came on */
};

struct scripted;

/* `replies` ends with an all-zero one and is copied; what it points at stays as it is until it was said, and may change before.
 * What no reply matches gets a 418. */
struct scripted *scripted_new(const struct scripted_reply *replies);
void scripted_free(struct scripted *s);
uint16_t scripted_port(const struct scripted *s);
/* How many requests came whole so far; the i-th stays valid until scripted_free(). */
size_t scripted_count(struct scripted *s);
const struct scripted_request *scripted_at(struct scripted *s, size_t i);
/* The last one whose line starts with `match`; NULL: there is none. */
const struct scripted_request *scripted_last(struct scripted *s, const char *match);
