/* Asking the daemon: connect, one line there, one line back, within a time.
 *
 * The socket is reached through the run directory's descriptor, because a home may lie deeper than the 108 bytes
 * a socket's address has. No daemon is an outcome; a daemon that does not answer in time is a fault.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "tools/cli.h"

enum { CHUNK = 16384, FOLLOW_MS = 10000, FOLLOW_MAX = 65536 };

/* 0, CLI_NO_DAEMON, or a fault. */
static int reach(const char *home, int64_t timeout_ms, int *ret)
{
	/* A full backlog makes a unix connect wait, and only this bounds that wait. */
	struct timeval patience = {.tv_sec = timeout_ms / 1000,
				   .tv_usec = timeout_ms % 1000 * 1000};
	CLEANUP(free_p) char *run = alloc_fmt("%s/run", home);
	CLEANUP(close_p) int dir = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(close_p) int fd = -1;
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (dir < 0 && (errno == ENOENT || errno == ENOTDIR))
		return CLI_NO_DAEMON;
	if (dir < 0)
		return fail(-errno, "open '%s'", run);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)))
		return fail(-errno, "make a socket");
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/socket", dir);
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at))) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return CLI_NO_DAEMON;
		return fail(-errno, "connect to the daemon in '%s'", run);
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		return fail(-errno, "set up a socket");
	*ret = TAKE_FD(fd);
	return 0;
}

/* Waits for `events` until `deadline`. 0 or a fault. */
static int await(int fd, short events, int64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline - clock_now(clock_system());
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (n > 0)
			return 0;
		if (!n)
			return fail(-ETIMEDOUT, "the daemon does not answer");
		if (errno != EINTR)
			return fail(-errno, "wait for the daemon");
	}
}

static int send_line(int fd, const char *line, int64_t deadline)
{
	CLEANUP(free_p) char *text = alloc_fmt("%s\n", line);
	size_t len = strlen(text), sent = 0;

	while (sent < len) {
		ssize_t n = send(fd, text + sent, len - sent, MSG_NOSIGNAL);
		int r = 0;

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			r = await(fd, POLLOUT, deadline);
		else if (errno != EINTR)
			r = fail(-errno, "speak to the daemon");
		if (r)
			return r;
	}
	return 0;
}

static int read_line(int fd, struct buf *reply, int64_t deadline)
{
	size_t start = reply->len;

	for (;;) {
		size_t room = reply->limit - reply->len;
		ssize_t n;
		int r;

		room = room < CHUNK ? room : CHUNK;
		r = room ? buf_reserve(reply, room) : -E2BIG;
		if (r)
			return fail(r, "read the daemon's answer");
		n = recv(fd, reply->data + reply->len, room, 0);
		if (n < 0 && errno == EAGAIN) {
			r = await(fd, POLLIN, deadline);
			if (r)
				return r;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(n ? -errno : -ECONNRESET, "the daemon hung up");
		reply->len += (size_t)n;
		reply->data[reply->len] = '\0';
		if (memchr(reply->data + start, '\n', reply->len - start))
			return 0;
	}
}

int cli_ask_daemon(struct cli *cli, const char *request, struct buf *reply, int64_t timeout_ms)
{
	CLEANUP(close_p) int fd = -1;
	int64_t deadline = clock_now(clock_system()) + timeout_ms;
	int r = reach(cli->home, timeout_ms, &fd);

	if (!r)
		r = send_line(fd, request, deadline);
	return r ? r : read_line(fd, reply, deadline);
}

void cli_changed(struct cli *cli, const char *project)
{
	CLEANUP(buf_deinit) struct buf request;
	CLEANUP(buf_deinit) struct buf reply;
	struct json_out o;

	buf_init(&request, FOLLOW_MAX);
	buf_init(&reply, FOLLOW_MAX);
	json_out_buf(&o, &request);
	json_begin(&o, '{');
	json_str_field(&o, "op", "follow");
	json_str_field(&o, "project", project);
	json_end(&o, '}');
	/* The change is made; a mount that hears of it late shows it a second later by itself. */
	if (cli_ask_daemon(cli, request.data, &reply, FOLLOW_MS) < 0)
		log_warn("the daemon was not told, its mount follows by itself, ignoring");
}
