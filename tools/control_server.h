/* tools/control_server.h - the daemon's ear: a unix socket that answers one JSON document per line.
 *
 * Whoever connects must have our user id or be root (SO_PEERCRED). A request is an object with a field "op"; the
 * answer is the object that the handler wrote, with "ok": true, or {"ok":false,"error":"…"}. Nothing a
 * client does or omits holds up another one, or the mount.
 */
#pragma once

#include <stdint.h>

struct control_server;
struct json;
struct json_out;

enum {
	CONTROL_REQUEST_MAX = 1 << 20,
	CONTROL_REPLY_MAX = 16 << 20,
	CONTROL_CLIENTS_MAX = 64,
};

/* Writes the fields of the answer. On a thread of its own, several at a time. 0; anything else makes the answer an
 * error with what was logged as err meanwhile on this thread. Must return soon after control_server_stop(). */
typedef int (*control_fn)(const struct json *request, struct json_out *reply, void *arg);

struct control_config {
	int run_fd;          /* the directory that gets the socket; borrowed */
	int64_t patience_ms; /* how long a client may take over a request or over reading the answer */
	control_fn fn;
	void *arg;
};

/* Binds run/socket and starts answering. The caller holds the daemon's lock, so a socket that is there is nobody's. */
int control_server_start(const struct control_config *config, struct control_server **ret);

/* Hangs up on everybody, waits for handlers that run, removes the socket, frees. */
void control_server_stop(struct control_server *s);
