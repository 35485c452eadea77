/* tools/listening.h - which port a server inside a sandbox listens on.
 */
#pragma once

#include <stdint.h>

struct provider;

enum listening_outcome {
	LISTENING_NONE = 1,
	LISTENING_MANY, /* `why` lists them */
};

/* Reads the sandbox's own table of sockets. `why` has PROVIDER_WHY_MAX bytes. 0, an outcome, or a negative number: a
 * fault, or minus a provider's outcome. */
int listening_find(struct provider *p, const char *id, uint16_t *ret, char *why);

/* The listening ports in a text like /proc/net/tcp, each once, appended to `ports` (of `max`); how
 * many there are then. */
unsigned listening_parse(const char *text, uint16_t *ports, unsigned n, unsigned max);
