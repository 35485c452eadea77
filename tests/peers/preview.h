/* tests/peers/preview.h - requests that are passed on to a port inside a sandbox.
 */
#pragma once

struct request;

/* By Host or header, to `r->port` of the sandbox `id` (r->guest when it is one of E2B's). */
void preview_enter(struct request *r, const char *id);
/* /preview/{token}/{port}/… of Daytona. */
void preview_enter_path(struct request *r);
