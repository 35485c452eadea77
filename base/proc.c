/* fork, exec, wait.
 *
 * Used for git's transports, bubblewrap and a user's pager: few calls, so plain fork is
 * enough. The child closes everything above 2 before exec and reports a failed exec
 * through a close-on-exec pipe, so "not installed" is told from "exited 127".
 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

extern char **environ;

static void child_fd(int want, int as)
{
	if (want == as)
		(void)fcntl(as, F_SETFD, 0);
	else if (want >= 0)
		(void)dup2(want, as);
}

__attribute__((noreturn)) static void child(const struct proc *p, pid_t parent, int report)
{
	sigset_t none;
	int err;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (p->dies_with_us && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent))
		goto failed;
	if (p->cwd_fd >= 0 && fchdir(p->cwd_fd))
		goto failed;
	child_fd(p->in_fd >= 0 ? p->in_fd : open("/dev/null", O_RDONLY), 0);
	child_fd(p->out_fd, 1);
	child_fd(p->err_fd, 2);
	if (dup2(report, 3) != 3 || fcntl(3, F_SETFD, FD_CLOEXEC))
		goto failed;
	(void)close_range(4, ~0U, 0);
	environ = p->env ? (char **)(uintptr_t)p->env : environ;
	execvp(p->argv[0], (char *const *)(uintptr_t)p->argv);
	report = 3;
failed:
	err = errno;
	(void)!write(report, &err, sizeof(err));
	_exit(127);
}

int proc_start(const struct proc *p, pid_t *ret)
{
	CLEANUP(close_p) int rd = -1;
	CLEANUP(close_p) int wr = -1;
	int pipefd[2], err = 0;
	pid_t pid, us;

	if (pipe2(pipefd, O_CLOEXEC))
		return fail(-errno, "pipe for '%s'", p->argv[0]);
	rd = pipefd[0];
	wr = pipefd[1];
	us = getpid();
	pid = fork();
	if (pid < 0)
		return fail(-errno, "fork for '%s'", p->argv[0]);
	if (!pid)
		child(p, us, wr);
	close(TAKE_FD(wr));
	if (io_read_all(rd, &err, sizeof(err)) == (ssize_t)sizeof(err)) {
		(void)waitpid(pid, NULL, 0);
		return fail(-err, "run '%s'", p->argv[0]);
	}
	*ret = pid;
	return 0;
}

int proc_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return fail(-errno, "wait for process %ld", (long)pid);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Moves what is there from `fd` into `b`; 1 at the end of file, 0, or a negative errno. */
static int drain(int fd, struct buf *b)
{
	size_t room = b->limit - b->len < 65536 ? b->limit - b->len : 65536;
	char probe;
	ssize_t n;
	int r = buf_reserve(b, room);

	if (r)
		return r;
	/* A full buffer is fine as long as nothing follows. */
	n = read(fd, room ? b->data + b->len : &probe, room ? room : 1);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n && !room)
		return -E2BIG;
	if (!n)
		return 1;
	b->len += (size_t)n;
	b->data[b->len] = '\0';
	return 0;
}

static int gather(int out, struct buf *out_buf, int err, struct buf *err_buf)
{
	struct pollfd fds[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
	struct buf *bufs[2] = {out_buf, err_buf};

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < 2; i++) {
			int r;

			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			r = drain(fds[i].fd, bufs[i]);
			if (r < 0)
				return r;
			if (r)
				fds[i].fd = -1;
		}
	}
	return 0;
}

int proc_run(const struct proc *p, struct buf *out, struct buf *err)
{
	int o[2] = {-1, -1}, e[2] = {-1, -1}, r;
	struct proc q = *p;
	pid_t pid = -1;

	if (pipe2(o, O_CLOEXEC) || (err && pipe2(e, O_CLOEXEC))) {
		r = fail(-errno, "pipe for '%s'", p->argv[0]);
		goto out;
	}
	q.out_fd = o[1];
	if (err)
		q.err_fd = e[1];
	r = proc_start(&q, &pid);
	if (r)
		goto out;
	close(TAKE_FD(o[1]));
	if (err)
		close(TAKE_FD(e[1]));
	r = gather(o[0], out, e[0], err);
	if (r) {
		(void)kill(pid, SIGKILL);
		(void)proc_wait(pid);
		(void)fail(r, "read the output of '%s'", p->argv[0]);
		goto out;
	}
	r = proc_wait(pid);
out:
	close_p(&o[0]);
	close_p(&o[1]);
	close_p(&e[0]);
	close_p(&e[1]);
	return r;
}
