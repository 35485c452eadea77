/* provider/agent/agent.c - the program that runs inside a sandbox, usually as its first process.
 *
 *	frag-agent --home DIR (--listen-fd N | --listen PATH | --session-fd N | --relay yes) [--root NAME]
 *	           [--max-processes N] [--max-file BYTES] [--max-memory BYTES]
 *
 * It listens on a unix socket and serves sessions (session.h) in one loop: bytes in, frames, replies out. A command
 * or a tunnel gets a process of its own, so nothing in here ever waits for one. With --session-fd it serves one
 * session and ends with it. With --relay it is one session's standard input and output, and starts the agent that serves it
 * when none does (relay.h).
 *
 * As process 1 it reaps whatever is orphaned in the sandbox. It cannot be traced by what runs beside it, and
 * signals from there do not reach it; it ends by SIGKILL from outside, which takes the sandbox
 * with it. What it leaves on disk is good at every instant (sweep.h, ledger.h).
 *
 * Everything is bounded: SESSIONS_MAX sessions, CHILDREN_MAX commands and tunnels.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "provider/agent/notice.h"
#include "provider/agent/relay.h"
#include "provider/agent/session.h"
#include "provider/agent/site.h"
#include "provider/agent/survey.h"

enum { SESSIONS_MAX = 64, CHILDREN_MAX = 256, BACKLOG = 64 };

struct options {
	const char *home, *root, *listen, *relay;
	uint64_t listen_fd, session_fd; /* UINT64_MAX: none */
	struct limits limits;
};

struct server {
	struct agent agent;
	struct site place;
	pid_t children[CHILDREN_MAX];
	struct session *sessions[SESSIONS_MAX];
	size_t n;
	int listen_fd, signal_fd;
	bool quit, once;
};

static bool number(const char *text, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || v > UINT64_MAX / 10 - 1)
			return false;
		v = v * 10 + (uint64_t)(*text - '0');
	}
	*ret = v;
	return true;
}

static bool parse_one(struct options *o, const char *name, const char *value)
{
	if (!strcmp(name, "--home"))
		o->home = value;
	else if (!strcmp(name, "--root"))
		o->root = value;
	else if (!strcmp(name, "--listen"))
		o->listen = value;
	else if (!strcmp(name, "--relay"))
		o->relay = value;
	else if (!strcmp(name, "--listen-fd"))
		return number(value, &o->listen_fd);
	else if (!strcmp(name, "--session-fd"))
		return number(value, &o->session_fd);
	else if (!strcmp(name, "--max-processes"))
		return number(value, &o->limits.processes);
	else if (!strcmp(name, "--max-file"))
		return number(value, &o->limits.file_bytes);
	else if (!strcmp(name, "--max-memory"))
		return number(value, &o->limits.memory_bytes);
	else
		return false;
	return true;
}

static bool parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){.root = "app", .listen_fd = UINT64_MAX, .session_fd = UINT64_MAX};
	for (int i = 1; i + 1 < argc; i += 2)
		if (!parse_one(o, argv[i], argv[i + 1]))
			return false;
	return argc % 2 && o->home && !strchr(o->root, '/') &&
	       (o->listen != NULL) + (o->relay != NULL) + (o->listen_fd != UINT64_MAX) +
			       (o->session_fd != UINT64_MAX) ==
		       1;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, BACKLOG)) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

static void accept_one(struct server *v)
{
	static const char busy[] = "too many sessions";
	int fd = accept4(v->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct session *s;

	if (fd < 0)
		return;
	s = session_new(&v->agent, fd);
	if (v->n < SESSIONS_MAX) {
		v->sessions[v->n++] = s;
		return;
	}
	(void)wire_encode(&s->out, &(struct wire_frame){.type = WIRE_ERROR,
							.code = WIRE_E_BUSY,
							.message = wire_str(busy)});
	(void)send(fd, s->out.data, s->out.len, MSG_NOSIGNAL);
	session_free(s);
}

static void reap(struct server *v)
{
	struct signalfd_siginfo info;
	pid_t pid;

	while (read(v->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo == SIGTERM && getpid() != 1)
			v->quit = true;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (size_t i = 0; i < CHILDREN_MAX; i++)
			if (v->children[i] == pid)
				v->children[i] = 0;
}

static void serve_sessions(struct server *v, const struct pollfd *fds, size_t n)
{
	for (size_t i = n; i-- > 0 && !v->quit;) {
		struct session *s = v->sessions[i];

		if (!fds[i].revents || session_serve(s, fds[i].revents))
			continue;
		v->quit = v->once;
		session_free(s);
		v->sessions[i] = v->sessions[--v->n];
	}
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Something moved: whether it matters is for a survey to say. Our own sweeps end here, since they left no drift. */
static void look(struct server *v)
{
	static const struct oid none;
	struct agent *a = &v->agent;
	int64_t start = now_ms();
	struct oid tree = none;
	struct refusal why;
	struct survey s;
	int r = survey_take(&v->place, false, &s, &why);

	if (!r && s.n_drift && !manifest_tree(&s.now, &tree))
		r = WIRE_E_IO;
	notice_looked(a->notice, now_ms(), now_ms() - start);
	if (!r && !oid_eq(&tree, &a->told)) {
		a->told = tree;
		for (size_t i = 0; i < v->n; i++)
			session_tell_changed(v->sessions[i], s.n_drift);
	}
	survey_deinit(&s);
}

static int patience(const struct server *v)
{
	return v->agent.notice ? notice_wait_ms(v->agent.notice, now_ms()) : -1;
}

static void loop(struct server *v)
{
	struct pollfd fds[SESSIONS_MAX + 3];

	while (!v->quit) {
		size_t n = v->n;

		for (size_t i = 0; i < n; i++)
			fds[i] = (struct pollfd){.fd = v->sessions[i]->fd,
						 .events = session_wants(v->sessions[i])};
		fds[n] = (struct pollfd){.fd = v->listen_fd, .events = POLLIN};
		fds[n + 1] = (struct pollfd){.fd = v->signal_fd, .events = POLLIN};
		fds[n + 2] =
			(struct pollfd){.fd = v->agent.notice ? notice_fd(v->agent.notice) : -1,
					.events = POLLIN};
		if (poll(fds, n + 3, patience(v)) < 0 && errno != EINTR)
			return;
		serve_sessions(v, fds, n);
		if (v->quit)
			return;
		if (fds[n].revents)
			accept_one(v);
		if (fds[n + 1].revents)
			reap(v);
		if (fds[n + 2].revents)
			notice_hear(v->agent.notice, now_ms());
		if (!patience(v))
			look(v);
	}
}

static int open_streams(struct server *v, const struct options *o)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a file too large is an error, not our end */
	v->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	v->listen_fd = -1;
	if (o->session_fd != UINT64_MAX) {
		int fd = (int)o->session_fd;

		if (fcntl(fd, F_SETFL, O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
			return -errno;
		v->once = true;
		v->sessions[v->n++] = session_new(&v->agent, fd);
		return 0;
	}
	v->listen_fd = o->listen ? listen_at(o->listen) : (int)o->listen_fd;
	if (v->listen_fd < 0)
		return v->listen_fd;
	return fcntl(v->listen_fd, F_SETFL, O_NONBLOCK) ||
			       fcntl(v->listen_fd, F_SETFD, FD_CLOEXEC)
		       ? -errno
		       : 0;
}

static void complain(const char *what, const char *why)
{
	(void)fprintf(stderr, "frag-agent: %s: %s\n", what, why);
}

enum { START_SECONDS = 20 };

/* The near half of --relay, and its end; the far half, a new process, goes on as the agent that listens. */
static void relay(struct options *o)
{
	int sock = relay_enter(o->home);

	if (!sock)
		sock = relay_connect();
	if (sock == -ENOENT || sock == -ECONNREFUSED) {
		/* Of two that start at once one gets the lock of the home; the other ends, and its relay finds the first. */
		if (fork() == 0) {
			relay_detach();
			o->listen = "agent.sock";
			return;
		}
		sock = relay_await(START_SECONDS);
	}
	if (sock < 0)
		complain("cannot reach the agent", strerror(-sock));
	else
		relay_run(sock);
	exit(sock < 0 ? 1 : 0);
}

int main(int argc, char **argv)
{
	struct server *v;
	struct refusal why;
	struct options o;
	int r;

	if (!parse(&o, argc, argv)) {
		complain("usage", "--home DIR and one of --listen-fd N, --listen PATH, "
				  "--session-fd N, --relay yes");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (o.relay)
		relay(&o);
	v = alloc_zero(sizeof(*v));
	(void)umask(022);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	v->agent = (struct agent){
		.place = &v->place,
		.limits = o.limits,
		.children = v->children,
		.max_children = CHILDREN_MAX,
	};
	r = site_open(&v->place, o.home, o.root, &why);
	if (r)
		complain("cannot start", why.words);
	if (!r) {
		r = open_streams(v, &o);
		if (r)
			complain("cannot listen", strerror(-r));
	}
	if (!r)
		loop(v);
	while (v->n)
		session_free(v->sessions[--v->n]);
	notice_free(v->agent.notice);
	site_close(&v->place);
	free(v);
	return r ? 1 : 0;
}
