/* tests/peers/quirk.h - what the vendors do that a client must survive, each by a name of its own.
 *
 * `peer --quirk NAME` switches one on, `--profile NAME` a set that makes the server answer like an older version.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum quirk {
	/* E2B */
	QUIRK_E2B_NO_V2,       /* only the paths of v1 exist: 405 on creation, 404 elsewhere */
	QUIRK_E2B_OLD_ENVD,    /* envd 0.4.0: no octet-stream, no CloseStdin */
	QUIRK_E2B_CUT_STREAM,  /* a stream's connection ends before its last frame */
	QUIRK_E2B_NO_END,      /* the last frame says well, but no `end` event came before it */
	QUIRK_E2B_SPLIT,       /* frames arrive byte by byte */
	QUIRK_E2B_BAD_GATEWAY, /* every third call of envd is a 502 with an HTML page */
	/* Daytona */
	QUIRK_DAYTONA_S190, /* the last public server: bare errors, no upload-v2, no depth */
	QUIRK_DAYTONA_CREATING, /* the answer to create still says `creating` */
	QUIRK_DAYTONA_TRUNCATE, /* a bulk download ends without its last boundary */
	QUIRK_DAYTONA_LAZY_LIST, /* a new sandbox shows up in lists only after it was asked for */
	QUIRK_DAYTONA_EMPTY_502, /* toolbox calls on a stopped sandbox answer an empty 502 */
	/* both */
	QUIRK_THROTTLE, /* every other call of the control plane is a 429 with Retry-After: 1 */
	QUIRK_END
};

/* The set of bits (1 << enum quirk) that `name` stands for, 0 when nobody knows it. */
uint32_t quirk_by_name(const char *name);
uint32_t quirk_profile(const char *name);
/* The i-th name, NULL behind the last. */
const char *quirk_name(unsigned i);

static inline bool quirk_in(uint32_t set, enum quirk q)
{
	return set >> q & 1;
}
