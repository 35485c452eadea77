/* provider/local_forward.c - previews: a port of this machine that leads to one inside.
 *
 * url() looks for the forwarder noted for that port and starts one when there is none: this program again, with a
 * hidden verb, detached. It listens on 127.0.0.1 on a port the kernel picks, tells it on its standard output, and
 * gives every connection a process that pipes it through a FORWARD session. It holds one idle session of its
 * own: when that ends, the sandbox has ended, and so does it.
 *
 * Whoever can connect to 127.0.0.1 of this machine can see a preview; that is what previews are for.
 */
#include "provider/local_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "provider/agent/tunnel.h"
#include "provider/local_box.h"

enum { CONNECTIONS_MAX = 128, GREET_MS = 10000, NAME_MAX_LEN = 32 };

static char *note_name(uint16_t port, char ret[NAME_MAX_LEN])
{
	(void)snprintf(ret, NAME_MAX_LEN, "forward-%u.json", port);
	return ret;
}

/* Sends a HELLO and, unless it is NULL, a request behind it. */
static int ask(int sock, const struct wire_frame *request)
{
	struct wire_frame hello = {.type = WIRE_HELLO, .version = WIRE_VERSION};
	struct buf out;
	int r;

	buf_init(&out, 4096);
	r = wire_encode(&out, &hello);
	if (!r && request)
		r = wire_encode(&out, request);
	if (!r && send(sock, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
		r = -EPIPE;
	buf_deinit(&out);
	return r;
}

/* The next frame within the time, or a negative errno. */
static int answer(int sock, struct wire_stream *in, struct wire_frame *ret)
{
	int r;

	while ((r = wire_stream_next(in, ret)) == WIRE_SHORT) {
		struct pollfd fd = {.fd = sock, .events = POLLIN};
		size_t room;
		void *p = wire_stream_room(in, &room);
		ssize_t n;

		if (!p || poll(&fd, 1, GREET_MS) <= 0)
			return -ETIMEDOUT;
		n = recv(sock, p, room, 0);
		if (n <= 0)
			return -EPIPE;
		wire_stream_filled(in, (size_t)n);
	}
	return r ? -EPROTO : 0;
}

static void say_bad_gateway(int conn, uint16_t port)
{
	char text[400], body[200];
	int len = snprintf(body, sizeof(body),
			   "Nothing answers on port %u inside the sandbox yet.\n", port);

	len = snprintf(text, sizeof(text),
		       "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\n"
		       "Content-Length: %d\r\nConnection: close\r\n\r\n%s",
		       len, body);
	(void)send(conn, text, (size_t)len, MSG_NOSIGNAL);
	(void)shutdown(conn, SHUT_WR);
}

/* One connection, in a process of its own. */
static void carry(int dir_fd, const char *id, uint16_t port, int conn)
{
	const struct wire_frame request = {.type = WIRE_FORWARD, .id = 1, .port = port};
	int sock = local_connect(dir_fd, id);
	struct wire_frame f = {0};
	struct wire_stream in;
	struct wire_data rest;
	int r;

	wire_stream_init(&in);
	r = sock < 0 ? sock : ask(sock, &request);
	if (!r)
		r = answer(sock, &in, &f);
	if (!r)
		r = answer(sock, &in, &f);
	if (r || f.type != WIRE_OK) {
		say_bad_gateway(conn, port);
		return;
	}
	rest = wire_stream_rest(&in);
	if (rest.len)
		(void)send(conn, rest.p, rest.len, MSG_NOSIGNAL);
	tunnel_run(conn, sock, &(struct wire_data){.p = NULL, .len = 0});
}

static int listen_here(uint16_t *port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	CLEANUP(close_p) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		return fail(-errno, "listen on 127.0.0.1");
	*port = ntohs(addr.sin_port);
	return TAKE_FD(fd);
}

/* A session that ends when the sandbox does. */
static int hold(int dir_fd, const char *id)
{
	int sock = local_connect(dir_fd, id);
	struct wire_stream in;
	struct wire_frame f;
	int r;

	if (sock < 0)
		return sock;
	wire_stream_init(&in);
	r = ask(sock, NULL);
	if (!r)
		r = answer(sock, &in, &f);
	wire_stream_deinit(&in);
	if (!r)
		return sock;
	close(sock);
	return r;
}

static void serve(int dir_fd, const char *id, uint16_t port, int listener, int alive)
{
	unsigned n = 0;

	for (;;) {
		struct pollfd fds[] = {
			{.fd = n < CONNECTIONS_MAX ? listener : -1, .events = POLLIN},
			{.fd = alive, .events = POLLIN},
		};
		int conn;
		pid_t pid;

		if (poll(fds, 2, n ? 1000 : -1) < 0 && errno != EINTR)
			return;
		while (n && waitpid(-1, NULL, WNOHANG) > 0)
			n--;
		if (fds[1].revents)
			return;
		if (!fds[0].revents)
			continue;
		conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pid = conn < 0 ? -1 : fork();
		if (!pid) {
			close(listener);
			close(alive);
			carry(dir_fd, id, port, conn);
			_exit(0);
		}
		n += pid > 0;
		close_p(&conn);
	}
}

int provider_local_forward(const char *dir, const char *id, uint16_t port, int ready_fd)
{
	CLEANUP(close_p) int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(close_p) int alive = -1;
	CLEANUP(close_p) int listener = -1;
	char name[NAME_MAX_LEN], text[16];
	uint16_t here = 0;
	int r;

	if (dir_fd < 0)
		return fail(-errno, "open '%s'", dir);
	alive = hold(dir_fd, id);
	if (alive < 0)
		return fail(alive, "reach the agent of '%s'", id);
	listener = listen_here(&here);
	if (listener < 0)
		return listener;
	r = box_note_process(dir_fd, id, note_name(port, name), getpid(), here);
	if (r)
		return r;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(text, sizeof(text), "%u\n", here);
	r = io_write_all(ready_fd, text, strlen(text));
	close(ready_fd);
	if (!r)
		serve(dir_fd, id, port, listener, alive);
	box_forget_process(dir_fd, id, name);
	return 0;
}

struct url_op {
	struct local_op op;
	char id[PROVIDER_ID_MAX];
	uint16_t port;
	char *ret;
	int lock, pipe;
	struct buf text;
};

static void url_deinit(struct local_op *op)
{
	struct url_op *u = (struct url_op *)(void *)op;

	close_p(&u->lock);
	close_p(&u->pipe);
	buf_deinit(&u->text);
}

static void url_done(struct url_op *u, int64_t here)
{
	(void)snprintf(u->ret, PROVIDER_URL_MAX, "http://127.0.0.1:%lld/", (long long)here);
	local_op_finish(&u->op, 0, NULL);
}

static void step_ready(struct local_op *op)
{
	struct url_op *u = (struct url_op *)(void *)op;
	char chunk[16];
	ssize_t n = read(u->pipe, chunk, sizeof(chunk));
	int64_t here = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || buf_add(&u->text, chunk, (size_t)n)) {
		local_op_finish(op, PROVIDER_OFFLINE, "the forwarder did not start");
		return;
	}
	if (u->text.data[u->text.len - 1] != '\n')
		return;
	for (const char *p = u->text.data; *p >= '0' && *p <= '9'; p++)
		here = here * 10 + (*p - '0');
	url_done(u, here);
}

/* In the child: nothing of ours stays but the pipe as standard output. */
__attribute__((noreturn)) static void become_forwarder(const struct url_op *u, int pipe_fd)
{
	const struct local *p = u->op.p;
	int null_fd = open("/dev/null", O_RDWR);
	char port[8];

	(void)snprintf(port, sizeof(port), "%u", u->port);
	(void)setsid();
	if (dup2(null_fd, 0) < 0 || dup2(pipe_fd, 1) < 0 || dup2(null_fd, 2) < 0 || chdir("/"))
		_exit(126);
	(void)close_range(3, ~0U, 0);
	(void)execl(p->self, p->self, "sandbox-forward", p->dir, u->id, port, (char *)NULL);
	_exit(127);
}

static int spawn_forwarder(struct url_op *u)
{
	CLEANUP(close_p) int wr = -1;
	int pipefd[2], status;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC))
		return fail(-errno, "pipe for a forwarder");
	u->pipe = pipefd[0];
	wr = pipefd[1];
	(void)fcntl(u->pipe, F_SETFL, O_NONBLOCK);
	pid = fork();
	if (pid < 0)
		return fail(-errno, "fork for a forwarder");
	if (!pid) {
		if (!fork())
			become_forwarder(u, wr);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static void step_url(struct local_op *op)
{
	struct url_op *u = (struct url_op *)(void *)op;
	struct box_process process;
	char name[NAME_MAX_LEN];
	int64_t here;
	int r;

	if (!box_find_process(op->p->dir_fd, u->id, note_name(u->port, name), &process,
			      &here)) {
		url_done(u, here);
		return;
	}
	r = box_lock(op->p->dir_fd, u->id, &u->lock);
	if (r == BOX_HELD) {
		op->c->retry_ms = 50;
		local_op_finish(op, PROVIDER_BUSY, NULL);
		return;
	}
	if (!r && !box_runs(op->p->dir_fd, u->id)) {
		local_op_finish(op, PROVIDER_ASLEEP, NULL);
		return;
	}
	if (!r)
		r = spawn_forwarder(u);
	if (r) {
		local_op_finish(op, r == BOX_GONE ? PROVIDER_GONE : r, NULL);
		return;
	}
	op->fd = u->pipe;
	op->events = POLLIN;
	op->step = step_ready;
}

int local_url(struct provider *base, const char *id, struct provider_preview *ret,
	      struct provider_call *c)
{
	struct local *p = local_of(base);
	struct url_op *u;

	if (!p->self)
		return PROVIDER_UNSUPPORTED;
	if (!ret->port || ret->sign) {
		(void)snprintf(c->why, sizeof(c->why),
			       ret->sign ? "a preview of this machine is not signed: it is for "
					   "everybody here"
					 : "0 is no port");
		return PROVIDER_REFUSED;
	}
	if (!box_is_id(id))
		return PROVIDER_GONE;
	u = local_op_new(p, c, sizeof(*u), LOCAL_START_MS);
	u->op.step = step_url;
	u->op.deinit = url_deinit;
	u->port = ret->port;
	u->ret = ret->url;
	u->lock = u->pipe = -1;
	buf_init(&u->text, 64);
	(void)snprintf(u->id, sizeof(u->id), "%s", id);
	return 0;
}
