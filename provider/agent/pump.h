/* provider/agent/pump.h - bytes from one stream to another and back.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

enum { PUMP_LEN = 64 << 10 };

/* One direction. */
struct pipe_half {
	int from, to;
	size_t at, len;
	bool ended; /* no more comes from `from`, and `to` was told */
	char bytes[PUMP_LEN];
};

struct pump {
	int a, b; /* owned */
	struct pipe_half there, back;
};

/* Takes both descriptors over and makes them non-blocking. `first` bytes (PUMP_LEN at most) came from
 * `a` already. */
void pump_init(struct pump *p, int a, int b, const void *first, size_t len);
void pump_deinit(struct pump *p);

/* What to wait for: fills both. */
void pump_wants(const struct pump *p, struct pollfd fds[2]);

/* Moves what can be moved. False when both directions ended or one end is broken. */
bool pump_serve(struct pump *p);
