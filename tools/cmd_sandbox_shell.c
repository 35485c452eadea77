/* frag sandbox shell: a terminal inside.
 *
 *	our terminal, raw --bytes, Ctrl-C among them--> the shell's terminal
 *	SIGWINCH ---------size------------------------> the same
 *
 * Our terminal is set back however this ends, but by SIGKILL. Without a terminal of our own, what comes in is fed to the
 * shell and its end is the shell's.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "store/project.h"
#include "tools/sandbox.h"
#include "tools/verbs.h"

enum { CHUNK = 16 << 10 };

struct shell {
	struct sandbox s;
	struct provider_call call;
	struct provider_exec exec;
	struct termios was;
	bool raw, done, ended;
	int result, signals;
	char in[CHUNK];
	size_t at, len;
};

static void on_done(struct provider_call *c, int result)
{
	struct shell *x = c->arg;

	x->done = true;
	x->result = result;
}

static void on_output(struct provider_call *c, int fd, const void *data, size_t len)
{
	struct shell *x = c->arg;

	if (io_write_all(fd == 2 ? STDERR_FILENO : STDOUT_FILENO, data, len))
		(void)provider_cancel(x->s.provider, c);
}

static void read_size(struct provider_exec *e)
{
	struct winsize w;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &w))
		return;
	e->rows = w.ws_row;
	e->cols = w.ws_col;
}

static void go_raw(struct shell *x)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &x->was))
		return;
	raw = x->was;
	cfmakeraw(&raw);
	x->raw = !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void take_signals(struct shell *x)
{
	struct signalfd_siginfo info;

	while (read(x->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGWINCH) {
			(void)provider_cancel(x->s.provider, &x->call);
			continue;
		}
		read_size(&x->exec);
		(void)provider_exec_resize(x->s.provider, &x->call, x->exec.rows, x->exec.cols);
	}
}

static bool can_read(void)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&fd, 1, 0) > 0;
}

static void take_input(struct shell *x)
{
	ssize_t n;

	while (!x->done && !x->ended) {
		if (x->at == x->len) {
			if (!can_read())
				return;
			n = read(STDIN_FILENO, x->in, sizeof(x->in));
			x->at = 0;
			x->len = n > 0 ? (size_t)n : 0;
			if (n < 0 && (errno == EINTR || errno == EAGAIN))
				return;
			if (n <= 0) {
				x->ended = true;
				(void)provider_exec_feed_end(x->s.provider, &x->call);
				return;
			}
		}
		n = provider_exec_feed(x->s.provider, &x->call, x->in + x->at, x->len - x->at);
		if (n == -EAGAIN)
			return;
		x->at += n > 0 ? (size_t)n : x->len - x->at;
	}
}

static int converse(struct shell *x)
{
	int r = provider_exec(x->s.provider, x->s.record.id, &x->exec, &x->call);

	if (r)
		return r;
	while (!x->done) {
		int fds[] = {x->signals, STDIN_FILENO};
		bool waits = x->at < x->len || x->ended;

		if (provider_poll(x->s.provider, fds, waits ? 1 : 2, -1) < 0)
			return -EIO;
		take_signals(x);
		take_input(x);
	}
	return x->result;
}

static int shell(struct shell *x)
{
	static const char *const env[] = {"TERM=xterm-256color", NULL};
	int r;

	if (!provider_can(x->s.provider, PROVIDER_CAP_TTY | PROVIDER_CAP_EXEC_FEED))
		return cli_refuse("`frag sandbox exec` runs commands there",
				  "this provider gives no terminals");
	x->call = (struct provider_call){.done = on_done, .arg = x, .deadline_ms = -1};
	x->exec = (struct provider_exec){
		.shell = "command -v bash >/dev/null && exec bash -i; exec sh -i",
		.env = env,
		.tty = true,
		.fed = true,
		.on_output = on_output,
	};
	read_size(&x->exec);
	x->signals = catch_signals();
	go_raw(x);
	r = converse(x);
	if (x->raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &x->was);
	close_p(&x->signals);
	cli_changed(x->s.cli, project_name(x->s.project));
	memcpy(x->s.why, x->call.why, sizeof(x->s.why));
	if (r == -ECANCELED)
		return 128 + SIGHUP;
	return r ? sandbox_refuse(&x->s, r, "open a shell") : x->exec.status;
}

static int run_shell(struct cli *cli, const struct cli_args *args)
{
	struct shell x = {.signals = -1};
	size_t used;
	int r = sandbox_open_existing(&x.s, cli, args, &used);

	if (!r)
		r = shell(&x);
	sandbox_close(&x.s);
	return r;
}

const struct verb verb_sandbox_shell = {
	.name = "sandbox shell",
	.synopsis = "[<project>]",
	.summary = "open a shell with a terminal inside a project's sandbox",
	.help = "bash where there is one, else sh. Ctrl-C goes to what runs there; the shell's "
		"exit "
		"status is ours.",
	.max_pos = 1,
	.run = run_shell,
};
