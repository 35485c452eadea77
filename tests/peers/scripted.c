/* tests/peers/scripted.c - one thread accepts, one thread a connection; all are joined by scripted_free().
 *
 * Blocking reads and writes; scripted_free() shuts every socket down, which ends them. The end that hangs
 * waits for the peer to go away or for that shutdown.
 */
#include "tests/peers/scripted.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

enum { CONNECTIONS_MAX = 2048, REQUESTS_MAX = 8192, REQUEST_LIMIT = 64 << 20, DRIP_MS = 20 };

struct connection {
	struct scripted *s;
	pthread_t thread;
	int fd;
	unsigned number;
	struct buf in;
};

struct scripted {
	struct scripted_reply *replies; /* a copy */
	int *used;                      /* of each reply */
	int listen_fd;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock;
	bool ended;
	struct connection *connections[CONNECTIONS_MAX];
	size_t n_connections;
	struct scripted_request requests[REQUESTS_MAX];
	size_t n_requests;
};

/* One more read into c->in; false at the end. */
static bool more(struct connection *c)
{
	ssize_t n;

	if (buf_reserve(&c->in, 65536))
		return false;
	n = recv(c->fd, c->in.data + c->in.len, 65536, 0);
	if (n <= 0)
		return false;
	c->in.len += (size_t)n;
	c->in.data[c->in.len] = '\0';
	return true;
}

static const char *header_of(const char *head, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = head; p && *p; p = strstr(p, "\r\n"), p = p ? p + 2 : NULL) {
		if (strncasecmp(p, name, len) == 0 && p[len] == ':')
			return p + len + 1 + strspn(p + len + 1, " ");
	}
	return NULL;
}

static void drop(struct connection *c, size_t n)
{
	memmove(c->in.data, c->in.data + n, c->in.len - n + 1);
	c->in.len -= n;
}

static bool read_body(struct connection *c, struct buf *body)
{
	while (c->in.len < body->limit) {
		if (!more(c))
			return false;
	}
	return buf_add(body, c->in.data, body->limit) == 0;
}

static bool read_chunks(struct connection *c, struct buf *body)
{
	for (;;) {
		char *end;
		size_t n, head;

		while (!(end = memmem(c->in.data, c->in.len, "\r\n", 2))) {
			if (!more(c))
				return false;
		}
		n = strtoul(c->in.data, NULL, 16);
		head = (size_t)(end - c->in.data) + 2;
		while (c->in.len < head + n + 2) {
			if (!more(c))
				return false;
		}
		if (buf_add(body, c->in.data + head, n))
			return false;
		drop(c, head + n + 2);
		if (n == 0)
			return true;
	}
}

static bool read_request(struct connection *c, struct scripted_request *ret)
{
	CLEANUP(buf_deinit) struct buf body = {0};
	const char *length, *coding, *target;
	char *end;

	while (c->in.len == 0 || !(end = strstr(c->in.data, "\r\n\r\n"))) {
		if (!more(c))
			return false;
	}
	ret->head = alloc_copy(c->in.data, (size_t)(end - c->in.data) + 2);
	drop(c, (size_t)(end - c->in.data) + 4);
	target = strchr(ret->head, ' ');
	ret->line = alloc_copy(ret->head, (size_t)(target - ret->head) + 1 +
						  (target ? strcspn(target + 1, " \r") : 0));
	length = header_of(ret->head, "Content-Length");
	coding = header_of(ret->head, "Transfer-Encoding");
	buf_init(&body, length ? strtoul(length, NULL, 10) : REQUEST_LIMIT);
	ret->connection = c->number;
	if (coding ? !read_chunks(c, &body) : length && !read_body(c, &body))
		return false;
	if (length)
		drop(c, body.len);
	ret->body_len = body.len;
	ret->body = alloc_copy(body.data ? body.data : "", body.len);
	return true;
}

static const struct scripted_reply *choose(struct scripted *s,
					   const struct scripted_request *request)
{
	static const struct scripted_reply none = {.head = "HTTP/1.1 418 Not in the script"};
	LOCKED(&s->lock);

	for (size_t i = 0; s->replies[i].match || s->replies[i].head || s->replies[i].end;
	     i++) {
		const struct scripted_reply *r = &s->replies[i];

		if (r->match && strncmp(request->line, r->match, strlen(r->match)) != 0)
			continue;
		if (r->uses && s->used[i] >= r->uses)
			continue;
		s->used[i]++;
		return r;
	}
	return &none;
}

static bool say(struct connection *c, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void say_slowly(struct connection *c, const char *data, size_t len)
{
	struct pollfd gone = {.fd = c->fd, .events = POLLRDHUP};

	for (size_t i = 0; i < len && poll(&gone, 1, DRIP_MS) == 0; i++) {
		if (!say(c, data + i, 1))
			return;
	}
}

static void wait_for_peer(struct connection *c)
{
	char byte;

	while (recv(c->fd, &byte, 1, 0) > 0)
		;
}

static void reset(struct connection *c)
{
	struct linger now = {.l_onoff = 1};

	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* True: the connection may be used again. */
static bool answer(struct connection *c, const struct scripted_reply *r)
{
	CLEANUP(free_p) char *head = NULL;
	size_t len = r->body_len || !r->body ? r->body_len : strlen(r->body);
	size_t said = r->cut && r->cut < len ? r->cut : len;

	if (r->head) {
		int64_t length = r->length ? r->length : (int64_t)len;
		bool bare =
			r->length < 0 || strstr(r->head, "204") || strstr(r->head, "chunked");

		head = bare ? alloc_fmt("%s\r\n\r\n", r->head)
			    : alloc_fmt("%s\r\nContent-Length: %lld\r\n\r\n", r->head,
					(long long)length);
		if (!say(c, head, strlen(head)))
			return false;
	}
	if (r->end == SCRIPTED_DRIP)
		say_slowly(c, r->body, said);
	else if (said && !say(c, r->body, said))
		return false;
	while (r->end == SCRIPTED_ENDLESS && say(c, r->body, said))
		;
	if (r->end == SCRIPTED_HANG)
		wait_for_peer(c);
	if (r->end == SCRIPTED_RESET)
		reset(c);
	return r->end == SCRIPTED_KEEP;
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	struct scripted *s = c->s;
	bool on = true;

	while (on) {
		struct scripted_request request = {0};
		bool whole = read_request(c, &request), kept = false;

		if (whole) {
			pthread_mutex_lock(&s->lock);
			kept = s->n_requests < REQUESTS_MAX;
			if (kept)
				s->requests[s->n_requests++] = request;
			pthread_mutex_unlock(&s->lock);
		}
		if (!kept) {
			free(request.line);
			free(request.head);
			free(request.body);
			break;
		}
		on = answer(c, choose(s, &request));
	}
	pthread_mutex_lock(&s->lock);
	close(c->fd);
	c->fd = -1;
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct scripted *s = arg;
	int one = 1, fd;

	while ((fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct connection *c = alloc_zero(sizeof(*c));
		LOCKED(&s->lock);

		c->s = s;
		c->fd = fd;
		c->number = (unsigned)s->n_connections;
		buf_init(&c->in, REQUEST_LIMIT);
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (s->ended || s->n_connections == CONNECTIONS_MAX ||
		    pthread_create(&c->thread, NULL, serve, c)) {
			close(fd);
			free(c);
			continue;
		}
		s->connections[s->n_connections++] = c;
	}
	return NULL;
}

/* A test may end while a thread still looks at the reply it has just said. */
static struct scripted_reply *copy_replies(const struct scripted_reply *from, size_t n)
{
	struct scripted_reply *ret = alloc_array(n + 1, sizeof(*ret));

	memcpy(ret, from, n * sizeof(*ret));
	return ret;
}

struct scripted *scripted_new(const struct scripted_reply *replies)
{
	struct scripted *s = alloc_zero(sizeof(*s));
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	size_t n = 0;

	while (replies[n].match || replies[n].head || replies[n].end)
		n++;
	s->replies = copy_replies(replies, n);
	s->used = alloc_array(n + 1, sizeof(*s->used));
	pthread_mutex_init(&s->lock, NULL);
	s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(s->listen_fd, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(s->listen_fd, 1024) ||
	    getsockname(s->listen_fd, (struct sockaddr *)&a, &len) ||
	    pthread_create(&s->thread, NULL, accept_all, s))
		abort();
	s->port = ntohs(a.sin_port);
	return s;
}

void scripted_free(struct scripted *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	for (size_t i = 0; i < s->n_connections; i++) {
		if (s->connections[i]->fd >= 0)
			shutdown(s->connections[i]->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&s->lock);
	shutdown(s->listen_fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	for (size_t i = 0; i < s->n_connections; i++) {
		pthread_join(s->connections[i]->thread, NULL);
		buf_deinit(&s->connections[i]->in);
		free(s->connections[i]);
	}
	free(s->replies);
	for (size_t i = 0; i < s->n_requests; i++) {
		free(s->requests[i].line);
		free(s->requests[i].head);
		free(s->requests[i].body);
	}
	close(s->listen_fd);
	pthread_mutex_destroy(&s->lock);
	free(s->used);
	free(s);
}

uint16_t scripted_port(const struct scripted *s)
{
	return s->port;
}

size_t scripted_count(struct scripted *s)
{
	LOCKED(&s->lock);

	return s->n_requests;
}

const struct scripted_request *scripted_at(struct scripted *s, size_t i)
{
	LOCKED(&s->lock);

	return i < s->n_requests ? &s->requests[i] : NULL;
}

const struct scripted_request *scripted_last(struct scripted *s, const char *match)
{
	LOCKED(&s->lock);

	for (size_t i = s->n_requests; i-- > 0;) {
		if (strncmp(s->requests[i].line, match, strlen(match)) == 0)
			return &s->requests[i];
	}
	return NULL;
}
