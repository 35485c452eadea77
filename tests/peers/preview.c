/* tests/peers/preview.c - passing a request on to a port inside a sandbox, and its answer back.
 *
 * One passage for each request; the answer's body is streamed, a WebSocket is joined up byte for byte after its
 * handshake. Who may come in is each vendor's matter: E2B asks for a token when traffic is private, Daytona for the
 * sandbox's token or a signed one unless the sandbox is public, and sends strangers to a login page.
 */
#include "tests/peers/preview.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "tests/peers/answer.h"
#include "tests/peers/daytona.h"
#include "tests/peers/e2b.h"
#include "tests/peers/http_head.h"
#include "tests/peers/passage.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/request.h"
#include "tests/peers/route.h"
#include "tests/peers/signed_port.h"

enum { HEAD_ROOM = HTTP_HEAD_MAX + (64 << 10), PUMP_LEN = 64 << 10 };

/* An answer on its way. */
struct passing {
	struct passage *p;
	struct buf in; /* head, then what came behind it */
	size_t at;
	struct http_head head;
	struct http_chunks chunks;
	uint64_t left;
};

static void passing_free(void *arg)
{
	struct passing *s = arg;

	passage_close(s->p);
	buf_deinit(&s->in);
	free(s);
}

static bool is_hop(const char *name)
{
	static const char *const hops[] = {
		"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding",
		"TE",         "Trailer",    "Content-Length",   "Upgrade"};

	for (size_t i = 0; i < sizeof(hops) / sizeof(hops[0]); i++)
		if (!strcasecmp(hops[i], name))
			return true;
	return false;
}

static enum MHD_Result add_field(void *arg, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	static const char *const ours[] = {"E2b-Sandbox-Id", "E2b-Sandbox-Port",
					   "E2b-Traffic-Access-Token",
					   "X-Daytona-Preview-Token"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!strcasecmp(ours[i], name))
			return MHD_YES;
	if (!is_hop(name) && strcasecmp(name, "Expect"))
		(void)buf_fmt(arg, "%s: %s\r\n", name, value ? value : "");
	return MHD_YES;
}

static bool wants_upgrade(struct request *r)
{
	return request_header(r, MHD_HTTP_HEADER_UPGRADE);
}

/* The request as the program inside is to see it. */
static int send_request(struct request *r, struct passage *p)
{
	struct buf head;
	int err;

	buf_init(&head, HEAD_ROOM);
	(void)buf_fmt(&head, "%s %s HTTP/1.1\r\n", r->method, r->target);
	(void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, add_field, &head);
	if (wants_upgrade(r))
		(void)buf_fmt(&head, "Connection: Upgrade\r\nUpgrade: %s\r\n",
			      request_header(r, MHD_HTTP_HEADER_UPGRADE));
	else
		(void)buf_str(&head, "Connection: close\r\n");
	if (r->body.len || !strcmp(r->method, "POST") || !strcmp(r->method, "PUT"))
		(void)buf_fmt(&head, "Content-Length: %zu\r\n", r->body.len);
	(void)buf_str(&head, "\r\n");
	err = passage_send(p, head.data, head.len);
	if (!err)
		err = passage_send(p, r->body.data, r->body.len);
	buf_deinit(&head);
	return err;
}

/* Reads until the head of the real answer is whole (100 and its like are passed over). */
static int read_head(struct passing *s)
{
	for (;;) {
		char *copy = alloc_copy(s->in.data, s->in.len), chunk[16 << 10];
		int r = http_head_parse(copy, s->in.len, &s->head);
		ssize_t n;

		free(copy);
		if (!r && s->head.status < 200 && s->head.status != 101) {
			s->in.len -= s->head.len;
			memmove(s->in.data, s->in.data + s->head.len, s->in.len);
			continue;
		}
		if (!r)
			return http_head_parse(s->in.data, s->in.len, &s->head);
		n = r == HTTP_SHORT ? passage_recv(s->p, chunk, sizeof(chunk), -1) : 0;
		if (n <= 0 || buf_add(&s->in, chunk, (size_t)n))
			return HTTP_BAD;
	}
}

/* Bytes of the body as they stand on the wire. */
static ssize_t raw(struct passing *s, char *to, size_t max)
{
	size_t n = s->in.len - s->at;

	if (!n)
		return passage_recv(s->p, to, max, -1);
	n = n < max ? n : max;
	memcpy(to, s->in.data + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

static ssize_t read_chunked(struct passing *s, char *to, size_t max)
{
	for (;;) {
		size_t used, made;
		int r = http_chunks_step(&s->chunks, s->in.data + s->at, s->in.len - s->at, to,
					 max, &used, &made);
		char chunk[16 << 10];
		ssize_t n;

		s->at += used;
		if (made)
			return (ssize_t)made;
		if (r)
			return r == HTTP_SHORT ? MHD_CONTENT_READER_END_OF_STREAM
					       : MHD_CONTENT_READER_END_WITH_ERROR;
		buf_clear(&s->in);
		s->at = 0;
		n = passage_recv(s->p, chunk, sizeof(chunk), -1);
		if (n <= 0 || buf_add(&s->in, chunk, (size_t)n))
			return MHD_CONTENT_READER_END_WITH_ERROR;
	}
}

static ssize_t read_body(void *arg, uint64_t sent, char *to, size_t max)
{
	struct passing *s = arg;
	ssize_t n;

	if (s->head.body == HTTP_CHUNKED)
		return read_chunked(s, to, max);
	n = raw(s, to, max);
	if (n > 0)
		return n;
	return n || s->head.body == HTTP_LENGTH ? MHD_CONTENT_READER_END_WITH_ERROR
						: MHD_CONTENT_READER_END_OF_STREAM;
}

static void gather_fields(const struct http_head *h, const char **fields, bool upgrade)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++) {
		bool keeps = upgrade && !strcasecmp(h->fields[i].name, "Upgrade");

		if (is_hop(h->fields[i].name) && !keeps)
			continue;
		fields[n++] = h->fields[i].name;
		fields[n++] = h->fields[i].value;
	}
	fields[n] = NULL;
}

/* Joins the two ends until either is done. */
static void join(void *arg, int fd, const void *first, size_t len)
{
	struct passing *s = arg;
	char bytes[PUMP_LEN];
	ssize_t n = 0;

	if (len && passage_send(s->p, first, len))
		n = -EPIPE;
	while (n >= 0) {
		n = s->at < s->in.len ? raw(s, bytes, sizeof(bytes))
				      : passage_recv(s->p, bytes, sizeof(bytes), fd);
		if (n > 0) {
			for (ssize_t at = 0; at < n && n > 0;) {
				struct pollfd out = {.fd = fd, .events = POLLOUT};
				ssize_t sent = send(fd, bytes + at, (size_t)(n - at),
						    MSG_NOSIGNAL | MSG_DONTWAIT);

				if (sent > 0)
					at += sent;
				else if (errno != EAGAIN || poll(&out, 1, 30000) <= 0)
					n = -EPIPE;
			}
			continue;
		}
		if (n != -EAGAIN)
			break;
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			n = 0;
		else if (n <= 0 || passage_send(s->p, bytes, (size_t)n))
			break;
	}
	passing_free(s);
}

static void port_closed(struct request *r)
{
	struct answer a;

	if (!r->guest || r->guest->vendor == GUEST_DAYTONA) {
		reply_empty(r, 502);
		return;
	}
	answer_begin(&a, '{');
	json_str_field(&a.out, "sandboxId", r->guest->id);
	json_str_field(&a.out, "message", "The sandbox is running but port is not open");
	json_int_field(&a.out, "port", r->port);
	json_int_field(&a.out, "code", 502);
	answer_send(r, &a, '}', 502);
}

static void pass_on(struct request *r)
{
	const char *fields[2 * HTTP_FIELDS_MAX + 1];
	struct passing *s = alloc_zero(sizeof(*s));

	buf_init(&s->in, HEAD_ROOM);
	if (passage_open(r->guest, r->port, &s->p)) {
		free(s);
		port_closed(r);
		return;
	}
	if (send_request(r, s->p) || read_head(s)) {
		passing_free(s);
		port_closed(r);
		return;
	}
	s->at = s->head.len;
	gather_fields(&s->head, fields, s->head.status == 101);
	if (s->head.status == 101 && wants_upgrade(r)) {
		reply_upgrade(r, &(struct reply){.status = 101, .headers = fields}, join, s);
		return;
	}
	reply_stream(r, &(struct reply){.status = s->head.status, .headers = fields},
		     &(struct reply_source){.read = read_body,
					    .free = passing_free,
					    .arg = s,
					    .len = s->head.body == HTTP_LENGTH
							   ? (int64_t)s->head.content_len
							   : -1});
}

static void not_here(struct request *r)
{
	struct answer a;

	answer_begin(&a, '{');
	json_str_field(&a.out, "message", "The sandbox was not found");
	json_int_field(&a.out, "code", 502);
	answer_send(r, &a, '}', 502);
}

static void private_traffic(struct request *r)
{
	e2b_error(r, 403, "The sandbox's traffic is private; send its access token");
}

static void login(struct request *r)
{
	reply_bytes(r,
		    &(struct reply){
			    .status = 307,
			    .headers = (const char *const[]){"Location", r->peer->url, NULL}},
		    NULL, 0);
}

static bool may_enter_e2b(struct request *r)
{
	const char *token = request_header(r, "e2b-traffic-access-token");

	return !r->guest->private_traffic || (token && !strcmp(token, r->guest->traffic_token));
}

static bool may_enter_daytona(struct request *r)
{
	const char *token = request_header(r, "X-Daytona-Preview-Token");
	bool ok;

	if (!token)
		token = request_query(r, "DAYTONA_SANDBOX_AUTH_KEY");
	guests_lock(r->guest->all);
	ok = r->guest->is_public || (token && !strcmp(token, r->guest->token));
	guests_unlock(r->guest->all);
	return ok || daytona_knows(r);
}

static void enter_daytona(struct request *r, const char *id)
{
	char whose[GUEST_ID_MAX];
	bool is_signed = signed_port_find(r->peer->signed_ports, id, r->port, whose);

	r->guest = guest_find(r->peer->guests, GUEST_DAYTONA, is_signed ? whose : id, false);
	if (!r->guest || (!is_signed && !may_enter_daytona(r)))
		request_refuse(r, login);
	else if (guest_state(r->guest) != GUEST_RUNNING)
		request_refuse(r, port_closed);
	else
		guest_touch(r->guest);
}

void preview_enter(struct request *r, const char *id)
{
	r->handle = pass_on;
	if (!r->guest) {
		/* E2B's ids are known by their looks. */
		if (*id == 'i' && strlen(id) == 21)
			request_refuse(r, not_here);
		else
			enter_daytona(r, id);
		return;
	}
	if (!may_enter_e2b(r))
		request_refuse(r, private_traffic);
	else if (!e2b_wake(r->guest))
		request_refuse(r, not_here);
}
