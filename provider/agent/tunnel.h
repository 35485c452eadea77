/* provider/agent/tunnel.h - FORWARD: a stream becomes a connection to a port inside.
 */
#pragma once

#include <stdint.h>

struct wire_data;

/* Connects to `port` on this machine, IPv4 then IPv6. A descriptor or a negative errno. */
int tunnel_connect(uint16_t port);

/* Moves bytes between the two until both ends are done; `first` came already. Takes both over. */
void tunnel_run(int sock, int conn, const struct wire_data *first);
