/* provider/agent/refusal.h - why the agent says no.
 *
 * The agent has no log: what goes wrong is told to the client, once, in an ERROR frame. Functions that may refuse
 * return 0 or an enum wire_error (positive) and fill a `struct refusal` with the words.
 */
#pragma once

#include "provider/agent/wire.h"

struct refusal {
	char words[512];
};

/* Fills `r` and returns `code`. */
int refuse(struct refusal *r, enum wire_error code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* WIRE_E_IO: "<message>: <strerror of err, which may be negative>". */
int refuse_io(struct refusal *r, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
