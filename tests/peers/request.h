/* tests/peers/request.h - one HTTP request, and the one answer it gets.
 *
 * A handler is called once, with the whole body in `body` (REQUEST_BODY_MAX), and replies exactly once. A route that
 * takes bodies of any size has a `feed` too: it is called with each piece as it arrives, from the first
 * (empty) one on, and the handler after the last. Both run on the connection's own thread and may wait.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

struct guest;
struct json;
struct peer;
struct request;

enum {
	REQUEST_BODY_MAX = 16 << 20,
	REQUEST_ARGS_MAX = 3,
	REQUEST_ARG_MAX = 256,
	REQUEST_PATH_MAX = 4096,
};

typedef void (*request_handle_fn)(struct request *r);
/* False: no more of the body is wanted; the handler is called at its end. */
typedef bool (*request_feed_fn)(struct request *r, const void *data, size_t len);

struct request {
	struct peer *peer;
	struct MHD_Connection *connection;
	const char *method;
	char *target;     /* as the client wrote it, with its query */
	const char *path; /* without the plane's prefix */
	char args[REQUEST_ARGS_MAX][REQUEST_ARG_MAX]; /* what the route's `{}` matched */
	struct guest *guest; /* of routes inside a sandbox; a reference */
	struct buf body;
	struct json *json; /* parsed on demand, freed with the request */
	request_handle_fn handle;
	request_feed_fn feed;
	bool fed, skips;          /* the first feed was; the rest of the body is not wanted */
	void *own;                /* the handler's, between feeds */
	void (*own_free)(void *); /* called with `own` at the end */
	enum MHD_Result result;
	bool replied;
	uint16_t port; /* inside the sandbox, of previews */
};

const char *request_header(struct request *r, const char *name);
/* The decoded value, NULL when absent. */
const char *request_query(struct request *r, const char *name);
int64_t request_query_int(struct request *r, const char *name, int64_t absent);
/* The body as a JSON object; NULL (nothing replied) when it is none. An empty body counts as {}. */
const struct json *request_json(struct request *r);

/* Headers of an answer, NULL-terminated pairs. */
struct reply {
	unsigned status;
	const char *type; /* Content-Type, NULL: none */
	const char *const *headers;
};

void reply_bytes(struct request *r, const struct reply *how, const void *data, size_t len);
void reply_empty(struct request *r, unsigned status);
void reply_text(struct request *r, unsigned status, const char *text);
/* A finished JSON document. */
void reply_json(struct request *r, unsigned status, const struct buf *doc);

/* A body made while it is sent. `read` is as MHD's: bytes written, MHD_CONTENT_READER_END_OF_STREAM or
 * MHD_CONTENT_READER_END_WITH_ERROR, never 0; it may wait. `len` is -1 when unknown. `free` gets `arg` in any case. */
struct reply_source {
	ssize_t (*read)(void *arg, uint64_t at, char *to, size_t max);
	void (*free)(void *arg);
	void *arg;
	int64_t len;
};

void reply_stream(struct request *r, const struct reply *how, const struct reply_source *from);

/* The connection is the caller's from here on: `talk` runs on its thread with the socket, which is non-blocking
 * and closed after it. `first` is what came behind the request. */
typedef void (*reply_upgrade_fn)(void *arg, int fd, const void *first, size_t len);
void reply_upgrade(struct request *r, const struct reply *how, reply_upgrade_fn talk,
		   void *arg);

/* The client's socket, to be polled for POLLRDHUP. */
int request_socket(struct request *r);

/* Of peer.c: closes everything a request holds. */
void request_init(struct request *r);
void request_deinit(struct request *r);
