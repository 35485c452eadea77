/* One thread owns all connections; requests are carried out on threads of their own.
 *
 *	            accept                line complete            handler returned
 *	  (free) ───────────► READING ─────────────────► WORKING ───────────────► WRITING
 *	     ▲  clients_accept()  │   client_request()      worker()  client_reply()  │
 *	     └────────────────────┴──── deadline, hang-up, eviction ──────────────────┤
 *	                          ▲             client_close()                        │
 *	                          └────────── the answer has left: client_next() ─────┘
 *
 * Only the loop touches a client, except in WORKING, when only its worker does; the worker hands it back by
 * putting its index into the `done` pipe, which the loop reads. There is no lock.
 *
 * A deadline counts from the start of a state and is not moved by bytes trickling in, so a slow client
 * costs a slot for that long. When all slots are taken the one that has kept us waiting longest goes; those whose
 * request is being carried out never do. Sizes and numbers have the ceilings of the header.
 */
#include "tools/control_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

enum {
	WORDS_MAX = 16384,
	CHUNK = 16384,
	BACKLOG = 64,
	DEAF_MS = 200,
	QUIT = 0xff, /* in the done pipe: stop */
};

enum client_state { CLIENT_FREE, CLIENT_READING, CLIENT_WORKING, CLIENT_WRITING };

struct client {
	struct control_server *server;
	enum client_state state;
	int fd;
	int64_t since;      /* when the state began */
	struct buf in, out; /* `in` may hold more than one line */
	size_t line, sent;  /* bytes of the line being worked on; of `out` that have left */
	bool last;          /* hang up after the answer */
	pthread_t thread;
};

struct control_server {
	struct control_config config;
	int listener, done[2];
	int64_t deaf_until; /* no descriptor was left for a caller: listen again then */
	pthread_t loop;
	struct client clients[CONTROL_CLIENTS_MAX];
};

static int64_t now(void)
{
	return clock_now(clock_system());
}

static void enter(struct client *c, enum client_state state)
{
	c->state = state;
	c->since = now();
}

static void client_close(struct client *c)
{
	close(TAKE_FD(c->fd));
	buf_deinit(&c->in);
	buf_deinit(&c->out);
	enter(c, CLIENT_FREE);
}

/* {"ok":false,"error":words} in place of whatever the answer was. */
static void put_error(struct client *c, const char *words, size_t len)
{
	struct json_out o;

	buf_clear(&c->out);
	json_out_buf(&o, &c->out);
	json_begin(&o, '{');
	json_bool_field(&o, "ok", false);
	json_key_out(&o, "error");
	json_put_strn(&o, words, len);
	json_end(&o, '}');
	(void)json_out_end(&o);
}

static void client_refuse(struct client *c, const char *words)
{
	put_error(c, words, strlen(words));
	c->last = true;
	c->sent = 0;
	enter(c, CLIENT_WRITING);
}

static int answer(struct client *c, const struct json *request)
{
	struct json_out o;
	int r;

	json_out_buf(&o, &c->out);
	json_begin(&o, '{');
	r = c->server->config.fn(request, &o, c->server->config.arg);
	if (r)
		return r;
	json_bool_field(&o, "ok", true);
	json_end(&o, '}');
	r = json_out_end(&o);
	/* The writer breaks nested values into lines; here a line is a document. */
	for (size_t i = 0; i + 1 < c->out.len; i++) {
		if (c->out.data[i] == '\n')
			c->out.data[i] = ' ';
	}
	return r ? fail(r, "write the answer") : 0;
}

static void carry_out(struct client *c)
{
	CLEANUP(buf_deinit) struct buf words;
	struct json *request = NULL;
	char why[256];

	buf_clear(&c->out);
	buf_init(&words, WORDS_MAX);
	if (json_parse(c->in.data, c->line, &request, why, sizeof(why))) {
		(void)buf_fmt(&words, "the request cannot be read: %s", why);
		put_error(c, words.data, words.len);
		c->last = true;
		return;
	}
	log_capture(&words);
	if (!json_is_object(request))
		log_err("a request is an object");
	if (!json_is_object(request) || answer(c, request)) {
		while (words.len && words.data[words.len - 1] == '\n')
			words.len--;
		put_error(c, words.data, words.len);
	}
	log_capture(NULL);
	json_free(request);
}

static void *worker(void *arg)
{
	struct client *c = arg;
	unsigned char index = (unsigned char)(c - c->server->clients);

	carry_out(c);
	while (write(c->server->done[1], &index, 1) < 0 && errno == EINTR)
		;
	return NULL;
}

/* Carries out the first whole line of `in`, if there is one. */
static void client_request(struct client *c)
{
	const char *end = c->in.len ? memchr(c->in.data, '\n', c->in.len) : NULL;

	if (!end) {
		if (c->in.len >= CONTROL_REQUEST_MAX)
			client_refuse(c, "the request is larger than 1 MiB");
		return;
	}
	c->line = (size_t)(end - c->in.data);
	enter(c, CLIENT_WORKING);
	if (pthread_create(&c->thread, NULL, worker, c))
		client_refuse(c, "the daemon has no thread to spare; try again");
}

static void client_read(struct client *c)
{
	size_t room = CONTROL_REQUEST_MAX - c->in.len;
	ssize_t n;

	if (buf_reserve(&c->in, room < CHUNK ? room : CHUNK)) {
		client_close(c);
		return;
	}
	n = recv(c->fd, c->in.data + c->in.len, room < CHUNK ? room : CHUNK, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(c);
		return;
	}
	c->in.len += (size_t)n;
	c->in.data[c->in.len] = '\0';
	client_request(c);
}

/* The answer has left; what the client sent meanwhile is its next request. */
static void client_next(struct client *c)
{
	if (c->last) {
		client_close(c);
		return;
	}
	memmove(c->in.data, c->in.data + c->line + 1, c->in.len - c->line - 1);
	c->in.len -= c->line + 1;
	enter(c, CLIENT_READING);
	client_request(c);
}

static void client_write(struct client *c)
{
	ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		client_close(c);
		return;
	}
	c->sent += (size_t)n;
	if (c->sent == c->out.len)
		client_next(c);
}

/* A free slot, if need be that of the client who has kept us waiting longest; NULL when all are working. */
static struct client *find_slot(struct control_server *s)
{
	struct client *oldest = NULL;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *c = &s->clients[i];

		if (c->state == CLIENT_FREE)
			return c;
		if (c->state != CLIENT_WORKING && (!oldest || c->since < oldest->since))
			oldest = c;
	}
	if (oldest)
		client_close(oldest);
	return oldest;
}

static bool may_talk(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
		return false;
	return who.uid == geteuid() || who.uid == 0;
}

static void clients_accept(struct control_server *s)
{
	static const char stranger[] =
		"{\"ok\":false,\"error\":\"this daemon is another user's\"}\n";
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			s->deaf_until = now() + DEAF_MS;
		return;
	}
	if (!may_talk(fd)) {
		(void)send(fd, stranger, sizeof(stranger) - 1, MSG_NOSIGNAL);
		close(fd);
		return;
	}
	c = find_slot(s);
	if (!c) {
		/* Cannot be: the listener is not polled then. */
		close(fd);
		return;
	}
	c->server = s;
	c->fd = fd;
	c->last = false;
	buf_init(&c->in, CONTROL_REQUEST_MAX);
	buf_init(&c->out, CONTROL_REPLY_MAX);
	enter(c, CLIENT_READING);
}

/* Workers that have finished. False when it is time to stop. */
static bool take_done(struct control_server *s)
{
	unsigned char index[CONTROL_CLIENTS_MAX];
	ssize_t n = read(s->done[0], index, sizeof(index));

	for (ssize_t i = 0; i < n; i++) {
		struct client *c;

		if (index[i] == QUIT)
			return false;
		c = &s->clients[index[i]];
		(void)pthread_join(c->thread, NULL);
		c->sent = 0;
		enter(c, CLIENT_WRITING);
	}
	return true;
}

/* Fills `fds` and returns how long poll() may sleep. */
static int prepare(struct control_server *s, struct pollfd *fds)
{
	int64_t at = now(), first = s->deaf_until > at ? s->deaf_until - at : -1;
	bool deaf = first >= 0, full = true;

	fds[0] = (struct pollfd){.fd = s->done[0], .events = POLLIN};
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *c = &s->clients[i];
		bool waits = c->state == CLIENT_READING || c->state == CLIENT_WRITING;
		int64_t left = c->since + s->config.patience_ms - at;

		if (waits && left <= 0) {
			client_close(c);
			waits = false;
		}
		full = full && c->state == CLIENT_WORKING;
		fds[2 + i] = (struct pollfd){.fd = waits ? c->fd : -1};
		fds[2 + i].events = c->state == CLIENT_WRITING ? POLLOUT : POLLIN;
		if (waits && (first < 0 || left < first))
			first = left;
	}
	/* With a request under way in every slot, callers wait in the backlog. */
	fds[1] = (struct pollfd){.fd = deaf || full ? -1 : s->listener, .events = POLLIN};
	return (int)first;
}

static void *serve(void *arg)
{
	struct control_server *s = arg;
	struct pollfd fds[2 + CONTROL_CLIENTS_MAX];

	for (;;) {
		int timeout = prepare(s, fds);

		if (poll(fds, 2 + CONTROL_CLIENTS_MAX, timeout) < 0 && errno != EINTR) {
			(void)fail(-errno, "wait on the control socket");
			break;
		}
		if (fds[0].revents && !take_done(s))
			break;
		for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
			struct client *c = &s->clients[i];

			if (!fds[2 + i].revents || c->fd != fds[2 + i].fd)
				continue;
			if (c->state == CLIENT_READING)
				client_read(c);
			else if (c->state == CLIENT_WRITING)
				client_write(c);
		}
		if (fds[1].revents)
			clients_accept(s);
	}
	return NULL;
}

/* Through /proc, because a home may lie deeper than the 108 bytes a socket's address has. */
static int bind_socket(struct control_server *s)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int r;

	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0)
		return fail(-errno, "make the control socket");
	if (unlinkat(s->config.run_fd, "socket", 0) && errno != ENOENT)
		return fail(-errno, "remove the old control socket");
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/socket",
		       s->config.run_fd);
	r = bind(s->listener, (const struct sockaddr *)&at, sizeof(at));
	if (r || fchmodat(s->config.run_fd, "socket", 0600, 0) || listen(s->listener, BACKLOG))
		return fail(-errno, "bind the control socket");
	return 0;
}

/* Signals are for the mount's threads; none of ours may be chosen to run a handler. */
static int start_loop(struct control_server *s)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&s->loop, NULL, serve, s);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r ? fail(-r, "start the control thread") : 0;
}

static void server_free(struct control_server *s)
{
	close_p(&s->listener);
	close_p(&s->done[0]);
	close_p(&s->done[1]);
	free(s);
}

DEFINE_CLEANUP(struct control_server *, server_free)

int control_server_start(const struct control_config *config, struct control_server **ret)
{
	CLEANUP(server_freep) struct control_server *s = alloc_zero(sizeof(*s));
	int r;

	s->config = *config;
	s->listener = s->done[0] = s->done[1] = -1;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		s->clients[i].fd = -1;
	if (pipe2(s->done, O_CLOEXEC))
		return fail(-errno, "make a pipe for the control socket");
	r = bind_socket(s);
	if (!r)
		r = start_loop(s);
	if (r)
		return r;
	*ret = TAKE(s);
	return 0;
}

void control_server_stop(struct control_server *s)
{
	unsigned char quit = QUIT;

	if (!s)
		return;
	(void)unlinkat(s->config.run_fd, "socket", 0);
	while (write(s->done[1], &quit, 1) < 0 && errno == EINTR)
		;
	(void)pthread_join(s->loop, NULL);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *c = &s->clients[i];

		if (c->state == CLIENT_WORKING)
			(void)pthread_join(c->thread, NULL);
		if (c->state != CLIENT_FREE)
			client_close(c);
	}
	server_free(s);
}
