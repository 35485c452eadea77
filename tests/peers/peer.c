/* tests/peers/peer.c - the server: a socket on loopback, and which plane a request is for.
 *
 * libmicrohttpd runs a thread per connection, so handlers may wait for a sandbox. The first call for a request picks
 * its plane and route, by the headers alone; the body goes to the route's feed or into a buffer; the handler replies
 * after its end, also when it refuses, since a client that is still sending may not be listening.
 */
#include "tests/peers/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "tests/peers/guest.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/preview.h"
#include "tests/peers/request.h"
#include "tests/peers/route.h"
#include "tests/peers/signed_port.h"

enum { MEMORY_PER_CONNECTION = 256 << 10, ENVD_PORT = 49983, BACKLOG = 512 };

/* "{port}-{id}" at the start of the Host header. */
static bool split_host(const char *host, char id[GUEST_ID_MAX], uint16_t *port)
{
	char *end;
	unsigned long n;
	size_t len;

	if (!host || *host < '0' || *host > '9')
		return false;
	n = strtoul(host, &end, 10);
	if (*end != '-' || !n || n > UINT16_MAX)
		return false;
	len = strcspn(end + 1, ".:");
	if (!len || len >= GUEST_ID_MAX)
		return false;
	memcpy(id, end + 1, len);
	id[len] = '\0';
	*port = (uint16_t)n;
	return true;
}

static void half_headers(struct request *r)
{
	reply_text(r, 400, "missing header: E2b-Sandbox-Id and E2b-Sandbox-Port come together");
}

static void choose_sandbox(struct request *r, const char *id)
{
	r->guest = guest_find(r->peer->guests, GUEST_E2B, id, false);
	if (r->port == ENVD_PORT)
		route_request(r, &envd_plane);
	else
		preview_enter(r, id);
}

/* "/{id}/rest": the id is the sandbox's, never its name. */
static void choose_toolbox(struct request *r)
{
	size_t len = strcspn(r->path + 1, "/");
	char id[GUEST_ID_MAX] = "";

	if (len < sizeof(id))
		memcpy(id, r->path + 1, len);
	r->path += 1 + len;
	r->guest = guest_find(r->peer->guests, GUEST_DAYTONA, id, false);
	route_request(r, &toolbox_plane);
}

static void choose(struct request *r)
{
	const char *id = request_header(r, "E2b-Sandbox-Id"),
		   *port = request_header(r, "E2b-Sandbox-Port"),
		   *host = request_header(r, MHD_HTTP_HEADER_HOST);
	char in_host[GUEST_ID_MAX];

	if (split_host(host, in_host, &r->port)) {
		choose_sandbox(r, in_host);
	} else if (id && port) {
		r->port = (uint16_t)strtoul(port, NULL, 10);
		choose_sandbox(r, id);
	} else if (id || port) {
		request_refuse(r, half_headers);
	} else if (!strncmp(r->path, "/api/", 5)) {
		r->path += 4;
		route_request(r, &daytona_control_plane);
	} else if (!strncmp(r->path, "/toolbox/", 9)) {
		r->path += 8;
		choose_toolbox(r);
	} else {
		route_request(r, &e2b_control_plane);
	}
}

static void too_large(struct request *r)
{
	reply_text(r, 413, "the body is too large");
}

static void take(struct request *r, const char *data, size_t len)
{
	if (r->feed && !r->skips) {
		r->skips = (!r->fed && !r->feed(r, NULL, 0)) || !r->feed(r, data, len);
		r->fed = true;
	} else if (!r->skips && buf_add(&r->body, data, len)) {
		request_refuse(r, too_large);
	}
}

/* The first that is heard of a request; what it returns is the request's state. */
static void *begin(void *cls, const char *target, struct MHD_Connection *connection)
{
	struct request *r = alloc_zero(sizeof(*r));

	request_init(r);
	r->target = alloc_str(target);
	return r;
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_len, void **state)
{
	struct request *r = *state;

	if (!r->peer) {
		r->peer = cls;
		r->connection = connection;
		r->method = method;
		r->path = url;
		choose(r);
		return MHD_YES;
	}
	if (*upload_len) {
		take(r, upload, *upload_len);
		*upload_len = 0;
		return MHD_YES;
	}
	if (r->feed && !r->fed)
		(void)r->feed(r, NULL, 0);
	r->handle(r);
	if (!r->replied)
		reply_text(r, 500, "nobody answered");
	return r->result;
}

static void completed(void *cls, struct MHD_Connection *connection, void **state,
		      enum MHD_RequestTerminationCode code)
{
	struct request *r = *state;

	if (!r)
		return;
	request_deinit(r);
	guest_unref(r->guest);
	free(r);
	*state = NULL;
}

/* The socket first: what every thread reads must stand before there is one. */
static int listen_on(struct peer *p, uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	CLEANUP(close_p)
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, len) || listen(fd, BACKLOG) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		return fail(-errno, "listen on 127.0.0.1:%u", port);
	p->port = ntohs(addr.sin_port);
	(void)snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%u", p->port);
	p->daemon = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
			MHD_USE_ITC | MHD_ALLOW_UPGRADE,
		0, NULL, NULL, answer, p, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
		MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_URI_LOG_CALLBACK,
		begin, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION,
		MHD_OPTION_END);
	if (!p->daemon)
		return fail(-EIO, "serve on 127.0.0.1:%u", p->port);
	(void)TAKE_FD(fd); /* the daemon's */
	return 0;
}

int peer_start(const struct peer_config *config, struct peer **ret)
{
	struct peer *p = alloc_zero(sizeof(*p));
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	p->quirks = config->quirks;
	p->minute_ms = config->minute_ms ? config->minute_ms : 60000;
	(void)snprintf(p->e2b_key, sizeof(p->e2b_key), "%s",
		       config->key ? config->key : PEER_E2B_KEY);
	(void)snprintf(p->daytona_key, sizeof(p->daytona_key), "%s",
		       config->key ? config->key : PEER_DAYTONA_KEY);
	p->guests = guests_new(config->dir, config->agent);
	p->signed_ports = signed_ports_new();
	r = listen_on(p, config->port);
	if (r) {
		guests_end(p->guests);
		guests_free(p->guests);
		signed_ports_free(p->signed_ports);
		free(p);
		return r;
	}
	*ret = p;
	return 0;
}

const char *peer_url(const struct peer *p)
{
	return p->url;
}

void peer_stop(struct peer *p)
{
	if (!p)
		return;
	/* First the sandboxes: whoever waits for one wakes up. */
	guests_end(p->guests);
	MHD_stop_daemon(p->daemon);
	guests_free(p->guests);
	signed_ports_free(p->signed_ports);
	free(p);
}
