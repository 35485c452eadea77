/* provider/agent/tunnel.c - one connection, one process.
 *
 * Dev servers listen on 127.0.0.1 or on ::1, depending on how their language reads "localhost", so both are tried.
 */
#include "provider/agent/tunnel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "provider/agent/pump.h"
#include "provider/agent/wire.h"

static int connect_to(const struct sockaddr *addr, socklen_t len)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (!connect(fd, addr, len))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

int tunnel_connect(uint16_t port)
{
	struct sockaddr_in v4 = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	int fd = connect_to((struct sockaddr *)&v4, sizeof(v4)), other;

	if (fd != -ECONNREFUSED)
		return fd;
	other = connect_to((struct sockaddr *)&v6, sizeof(v6));
	return other < 0 ? fd : other;
}

void tunnel_run(int sock, int conn, const struct wire_data *first)
{
	struct pump *p = alloc_zero(sizeof(*p));
	const char *left = first->p;
	size_t n = first->len;

	/* What came early may be more than a pump holds. */
	while (n > PUMP_LEN) {
		ssize_t sent = send(conn, left, n, MSG_NOSIGNAL);

		if (sent <= 0)
			break;
		left += sent;
		n -= (size_t)sent;
	}
	pump_init(p, sock, conn, left, n);
	for (;;) {
		struct pollfd fds[2];

		pump_wants(p, fds);
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (!pump_serve(p))
			break;
	}
	pump_deinit(p);
	free(p);
}
