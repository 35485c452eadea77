/* tests/peers/signed_port.h - tokens that open one port of a sandbox until a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/peers/guest.h"

struct signed_ports;

enum { SIGNED_PORT_TOKEN_MAX = 17, SIGNED_PORTS_MAX = 1024 };

struct signed_ports *signed_ports_new(void);
void signed_ports_free(struct signed_ports *all);
/* The oldest is forgotten when there are too many. */
void signed_port_add(struct signed_ports *all, const char *id, uint16_t port, int64_t seconds,
		     char token[SIGNED_PORT_TOKEN_MAX]);
void signed_port_remove(struct signed_ports *all, const char *token);
/* Whose it is; false when it does not open this port now. */
bool signed_port_find(struct signed_ports *all, const char *token, uint16_t port,
		      char id[GUEST_ID_MAX]);
