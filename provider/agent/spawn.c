/* provider/agent/spawn.c - one process that looks after one command.
 *
 *	client --STDIN, SIGNAL--> supervisor --pipe--> command
 *	client <--OUTPUT, EXITED-- supervisor <--pipes-- command
 *
 * Flow control in both directions: output is not read from the pipes while a megabyte waits for the client, input is
 * not read from the client while a quarter waits for the command. The command leads a session and a process
 * group of its own, which signals go to and which is killed when the client leaves.
 *
 * A command in the background (job.h) loses its client once it runs; what it says goes into a file instead. On a
 * terminal, input and output are one descriptor, and the end of input is a Ctrl-D.
 *
 * Limits are set in the command, not in the agent, so that a fork bomb takes the sandbox's processes
 * and not the agent's ability to serve.
 */
#include "provider/agent/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "provider/agent/descriptors.h"
#include "provider/agent/job.h"

enum {
	OUT_HIGH = 1 << 20,
	OUT_LIMIT = 4 << 20,
	IN_HIGH = 256 << 10,
	IN_LIMIT = IN_HIGH + WIRE_DATA_MAX,
	CHUNK = 32 << 10,
};

struct spawn {
	int sock, child_fd; /* child_fd: signalfd for SIGCHLD */
	int in, out, err;   /* our ends of the command's pipes; -1: closed */
	uint32_t id;
	pid_t pid;
	struct wire_stream *stream;
	struct buf to_client, to_command;
	bool input_ended, exited, gone, tty, said_end;
	struct job *job; /* NULL: in front */
	int status;
};

static int reply(struct spawn *s, const struct wire_frame *f)
{
	return wire_encode(&s->to_client, f);
}

static void reply_error(struct spawn *s, const char *what, int err)
{
	char words[300];

	(void)snprintf(words, sizeof(words), "cannot run '%.200s': %s", what, strerror(err));
	(void)reply(s, &(struct wire_frame){.type = WIRE_ERROR,
					    .id = s->id,
					    .code = WIRE_E_EXEC,
					    .message = wire_str(words)});
}

/* The words of a list as a NULL-terminated array of strings. */
static char **words_of(struct wire_list l)
{
	char **words = alloc_array((size_t)l.n + 1, sizeof(*words));
	struct wire_str w;
	size_t n = 0;

	while (wire_list_next(&l, &w))
		words[n++] = alloc_copy(w.p, w.len);
	return words;
}

static void limit(int resource, uint64_t value)
{
	struct rlimit now, lim = {.rlim_cur = value, .rlim_max = value};

	if (!value || getrlimit(resource, &now))
		return;
	if (now.rlim_max != RLIM_INFINITY && now.rlim_max < value)
		lim.rlim_cur = lim.rlim_max = now.rlim_max;
	(void)setrlimit(resource, &lim);
}

static void set_limits(const struct limits *l)
{
	const struct rlimit none = {0};

	(void)setrlimit(RLIMIT_CORE, &none);
	limit(RLIMIT_NPROC, l->processes);
	limit(RLIMIT_FSIZE, l->file_bytes);
	limit(RLIMIT_AS, l->memory_bytes);
}

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 1; i < 32; i++)
		(void)signal(i, SIG_DFL);
}

/* In the command's process, up to exec. Errors go through `report`. */
__attribute__((noreturn)) static void become(const struct spawn_request *q, int pipes[3],
					     int report)
{
	char *cwd = alloc_copy(q->exec.cwd.p, q->exec.cwd.len);
	char **argv = words_of(q->exec.argv), **env = words_of(q->exec.env);
	int err;

	reset_signals();
	(void)setsid();
	if (q->exec.flags & WIRE_EXEC_TTY)
		(void)ioctl(pipes[0], TIOCSCTTY, 0);
	(void)umask(022);
	if (chdir(q->root) || (*cwd && chdir(cwd)))
		goto failed;
	for (char **e = env; *e; e++)
		(void)putenv(*e);
	if (dup2(pipes[0], 0) < 0 || dup2(pipes[1], 1) < 0 || dup2(pipes[2], 2) < 0 ||
	    dup2(report, 3) < 0 || fcntl(3, F_SETFD, FD_CLOEXEC))
		goto failed;
	report = 3;
	descriptors_close_from(4);
	set_limits(&q->limits);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)execvp(argv[0], argv);
failed:
	err = errno;
	(void)!write(report, &err, sizeof(err));
	_exit(127);
}

static int make_pipes(int ours[3], int theirs[3])
{
	for (int i = 0; i < 3; i++) {
		int p[2];

		if (pipe2(p, O_CLOEXEC))
			return -errno;
		ours[i] = p[i == 0];
		theirs[i] = p[i != 0];
		(void)fcntl(ours[i], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

static void set_size(int terminal, const struct wire_frame *f)
{
	struct winsize size = {.ws_row = f->rows ? f->rows : 24,
			       .ws_col = f->cols ? f->cols : 80};

	(void)ioctl(terminal, TIOCSWINSZ, &size);
}

/* Our end twice, for input and output, and theirs three times. */
static int make_terminal(int ours[3], int theirs[3], const struct wire_frame *f)
{
	int unlock = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	int slave;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock))
		return -errno;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	set_size(master, f);
	ours[0] = master;
	ours[1] = fcntl(master, F_DUPFD_CLOEXEC, 3);
	ours[2] = -1;
	theirs[0] = slave;
	theirs[1] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
	theirs[2] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
	return ours[1] < 0 || theirs[1] < 0 || theirs[2] < 0 ? -errno : 0;
}

/* Starts the command. 0 or a negative errno: what exec said. */
static int start(struct spawn *s, const struct spawn_request *q)
{
	int ours[3] = {-1, -1, -1}, theirs[3] = {-1, -1, -1}, report[2], err = 0;
	int r = s->tty ? make_terminal(ours, theirs, &q->exec) : make_pipes(ours, theirs);

	if (!r && pipe2(report, O_CLOEXEC))
		r = -errno;
	if (r)
		return r; /* the process ends at once: descriptors go with it */
	s->pid = fork();
	if (s->pid < 0)
		return -errno;
	if (!s->pid)
		become(q, theirs, report[1]);
	close(report[1]);
	for (int i = 0; i < 3; i++)
		close(theirs[i]);
	s->in = ours[0];
	s->out = ours[1];
	s->err = ours[2];
	if (read(report[0], &err, sizeof(err)) != sizeof(err))
		err = 0;
	close(report[0]);
	return -err;
}

/* Moves what is in a pipe of the command into frames. */
static void take_output(struct spawn *s, int *fd, uint8_t number)
{
	char chunk[CHUNK];
	ssize_t n;

	if (*fd < 0)
		return;
	n = read(*fd, chunk, sizeof(chunk));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close(*fd);
		*fd = -1;
		return;
	}
	(void)reply(s, &(struct wire_frame){.type = WIRE_OUTPUT,
					    .id = s->id,
					    .fd = number,
					    .data = wire_data(chunk, (size_t)n)});
}

static void give_input(struct spawn *s)
{
	ssize_t n;

	if (s->in < 0)
		return;
	if (s->input_ended && s->tty && !s->said_end) {
		s->said_end = true;
		(void)buf_add(&s->to_command, "\4", 1);
	}
	if (s->to_command.len) {
		n = write(s->in, s->to_command.data, s->to_command.len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			/* The command reads no more; that is its right. */
			s->input_ended = true;
			s->to_command.len = 0;
		} else {
			s->to_command.len -= (size_t)n;
			memmove(s->to_command.data, s->to_command.data + n, s->to_command.len);
		}
	}
	if (s->input_ended && !s->to_command.len && !s->tty) {
		close(s->in);
		s->in = -1;
	}
}

static void obey(struct spawn *s, const struct wire_frame *f)
{
	if (f->id != s->id ||
	    (f->type != WIRE_STDIN && f->type != WIRE_SIGNAL && f->type != WIRE_RESIZE)) {
		s->gone = true;
		return;
	}
	if (f->type == WIRE_RESIZE) {
		if (s->tty && s->in >= 0)
			set_size(s->in, f);
		return;
	}
	if (f->type == WIRE_SIGNAL) {
		if (f->signal < 65 && !s->exited)
			(void)kill(-s->pid, f->signal);
		return;
	}
	if (!f->data.len)
		s->input_ended = true;
	else if (!s->input_ended && buf_add(&s->to_command, f->data.p, f->data.len))
		s->gone = true;
}

static void obey_all(struct spawn *s)
{
	struct wire_frame f;
	int r = 0;

	while (!s->gone && s->to_command.len <= IN_HIGH) {
		r = wire_stream_next(s->stream, &f);
		if (r)
			break;
		obey(s, &f);
	}
	if (r == WIRE_BAD)
		s->gone = true;
}

static void hear_client(struct spawn *s)
{
	size_t room;
	void *p = wire_stream_room(s->stream, &room);
	ssize_t n = p ? recv(s->sock, p, room, MSG_DONTWAIT) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		s->gone = true;
		return;
	}
	wire_stream_filled(s->stream, (size_t)n);
}

static void tell_client(struct spawn *s)
{
	ssize_t n;

	if (!s->to_client.len)
		return;
	if (s->job) {
		job_write(s->job, &s->to_client);
		buf_clear(&s->to_client);
		return;
	}
	n = send(s->sock, s->to_client.data, s->to_client.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0) {
		s->gone = errno != EAGAIN && errno != EINTR;
		return;
	}
	s->to_client.len -= (size_t)n;
	memmove(s->to_client.data, s->to_client.data + n, s->to_client.len);
}

static void reap(struct spawn *s)
{
	struct signalfd_siginfo info;
	int status;

	(void)!read(s->child_fd, &info, sizeof(info));
	if (s->exited || waitpid(s->pid, &status, WNOHANG) != s->pid)
		return;
	s->exited = true;
	s->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

enum { SOCK, CHILD, IN, OUT, ERR, N_FDS };

static int wait_for_something(struct spawn *s)
{
	bool full = s->to_client.len > OUT_HIGH, sated = s->to_command.len > IN_HIGH;
	struct pollfd fds[N_FDS] = {
		[SOCK] = {.fd = s->sock,
			  .events = (short)((sated ? 0 : POLLIN) |
					    (s->to_client.len ? POLLOUT : 0))},
		[CHILD] = {.fd = s->child_fd, .events = POLLIN},
		[IN] = {.fd = s->to_command.len ? s->in : -1, .events = POLLOUT},
		[OUT] = {.fd = full ? -1 : s->out, .events = POLLIN},
		[ERR] = {.fd = full ? -1 : s->err, .events = POLLIN},
	};

	if (poll(fds, N_FDS, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[SOCK].revents & (POLLIN | POLLHUP | POLLERR))
		hear_client(s);
	if (fds[OUT].revents)
		take_output(s, &s->out, 1);
	if (fds[ERR].revents)
		take_output(s, &s->err, 2);
	if (fds[CHILD].revents)
		reap(s);
	return 0;
}

/* Output that was written before the end still stands in the pipes. */
static void take_the_rest(struct spawn *s)
{
	size_t before;

	do {
		before = s->to_client.len;
		take_output(s, &s->out, 1);
		take_output(s, &s->err, 2);
	} while (s->to_client.len > before && s->to_client.len < OUT_LIMIT - 2 * CHUNK - 64);
}

static void serve(struct spawn *s)
{
	while (!s->exited && !s->gone) {
		obey_all(s);
		give_input(s);
		tell_client(s);
		if (s->gone || wait_for_something(s))
			break;
	}
	if (!s->exited) {
		(void)kill(-s->pid, SIGKILL);
		return;
	}
	take_the_rest(s);
	(void)reply(s, &(struct wire_frame){.type = WIRE_EXITED,
					    .id = s->id,
					    .status = (uint16_t)s->status});
}

/* Everything that waits, however long the client takes. */
static void flush(struct spawn *s)
{
	while (s->to_client.len && !s->gone) {
		struct pollfd fd = {.fd = s->sock, .events = POLLOUT};

		tell_client(s);
		if (s->to_client.len && poll(&fd, 1, -1) < 0 && errno != EINTR)
			return;
	}
}

/* Tells the client what it is called, lets it go, and keeps what it says. */
static void serve_job(struct spawn *s, const struct spawn_request *q)
{
	struct job j;
	int r = job_open(&j, q->frag_dir, s->pid, q->exec.argv);

	if (r) {
		(void)kill(-s->pid, SIGKILL);
		reply_error(s, "in the background", -r);
		flush(s);
		job_close(&j);
		return;
	}
	(void)reply(
		s, &(struct wire_frame){
			   .type = WIRE_JOB, .id = s->id, .flags = 1, .path = wire_str(j.ref)});
	flush(s);
	close(s->sock);
	s->sock = -1;
	s->gone = false;
	close(s->in);
	s->in = -1;
	s->job = &j;
	serve(s);
	flush(s);
	s->job = NULL;
	job_close(&j);
}

void spawn_run(const struct spawn_request *q)
{
	struct spawn s = {
		.sock = q->sock,
		.id = q->exec.id,
		.stream = q->in,
		.in = -1,
		.out = -1,
		.err = -1,
		.tty = q->exec.flags & WIRE_EXEC_TTY,
	};
	struct wire_list argv = q->exec.argv;
	struct wire_str name = {.p = "", .len = 0};
	char *what;
	sigset_t child;
	int r;

	buf_init(&s.to_client, OUT_LIMIT);
	buf_init(&s.to_command, IN_LIMIT);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	s.child_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	(void)wire_list_next(&argv, &name);
	what = alloc_copy(name.p, name.len);
	r = name.len ? start(&s, q) : -ENOENT;
	if (r) {
		reply_error(&s, what, -r);
	} else {
		(void)reply(&s, &(struct wire_frame){.type = WIRE_STARTED,
						     .id = s.id,
						     .pid = (uint32_t)s.pid});
		if (q->exec.flags & WIRE_EXEC_BACKGROUND)
			serve_job(&s, q);
		else
			serve(&s);
	}
	flush(&s);
	free(what);
	buf_deinit(&s.to_client);
	buf_deinit(&s.to_command);
}
