/* tests/peers/peer.h - a server that speaks the APIs of Daytona and E2B over sandboxes of this machine.
 *
 * It listens on 127.0.0.1 only. One port carries everything, told apart by what the vendors' own proxies look at:
 *
 *	Host "{port}-{id}.…" or E2b-Sandbox-Id/-Port    E2B envd (port 49983) or a preview of a port, of both
 *	/api/…                                          Daytona, control plane
 *	/toolbox/{id}/…                                 Daytona, inside one sandbox
 *	everything else                                 E2B, control plane
 *
 * Point clients at it with E2B_API_URL, E2B_SANDBOX_URL = peer_url() and DAYTONA_API_URL = peer_url() + "/api".
 * Each connection has a thread; nothing is kept on disk beside the sandboxes, which end with the server.
 */
#pragma once

#include <stdint.h>

struct peer;

#define PEER_E2B_KEY     "e2b_00112233445566778899aabbccddeeff00112233"
#define PEER_DAYTONA_KEY "dtn_00112233445566778899aabbccddeeff"

struct peer_config {
	const char *dir;   /* absolute, private, for the sandboxes; made when missing */
	const char *agent; /* absolute path of frag-agent */
	const char *key;   /* what both vendors' clients must send; NULL: the two above */
	uint32_t quirks;   /* quirk.h */
	uint16_t port;     /* 0: any free one */
	int64_t minute_ms; /* how long Daytona's minutes take, 0: 60000 */
};

int peer_start(const struct peer_config *config, struct peer **ret);
/* "http://127.0.0.1:PORT" */
const char *peer_url(const struct peer *p);
/* Ends connections and processes, deletes every sandbox it made. */
void peer_stop(struct peer *p);
