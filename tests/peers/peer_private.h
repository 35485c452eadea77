/* tests/peers/peer_private.h - what the handlers know of the server.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/peers/peer.h"
#include "tests/peers/quirk.h"

struct MHD_Daemon;
struct guests;
struct signed_ports;

struct peer {
	struct MHD_Daemon *daemon;
	struct guests *guests;
	struct signed_ports *signed_ports;
	char url[64];
	char e2b_key[128], daytona_key[128];
	uint16_t port;
	uint32_t quirks;
	int64_t minute_ms;
	atomic_uint n_control, n_envd; /* calls so far, for the quirks that count */
};

static inline bool peer_has(const struct peer *p, enum quirk q)
{
	return quirk_in(p->quirks, q);
}
