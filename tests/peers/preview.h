/* tests/peers/preview.h - requests that are passed on to a port inside a sandbox.
 */
#pragma once

struct request;

/* To `r->port` of the sandbox `id` (r->guest when it is one of E2B's), or of what a signed token opens. */
void preview_enter(struct request *r, const char *id);
