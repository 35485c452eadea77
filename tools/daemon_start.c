/* Putting a daemon into the background, and waiting for it with its own words.
 *
 * Two forks and setsid() make it a stranger to the terminal and to us; then it becomes `frag daemon`, so that a process list
 * says what it is. It holds one end of a pipe. The line it writes is the answer; the end of the pipe without one
 * means that it died, and then its log is the place to look.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "tools/cli.h"
#include "tools/daemon.h"

enum { READY_FD = 3 };

/* In the grandchild: only what the daemon needs stays open. */
__attribute__((noreturn)) static void become_daemon(const char *const *argv, int fd)
{
	int null = open("/dev/null", O_RDWR);

	if (fd == READY_FD)
		(void)fcntl(fd, F_SETFD, 0);
	else
		(void)dup2(fd, READY_FD);
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	(void)close_range(READY_FD + 1, ~0U, 0);
	(void)!chdir("/");
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static int launch(const char *const *argv, int fd)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return fail(-errno, "fork the daemon");
	if (!pid) {
		if (setsid() < 0)
			_exit(1);
		pid = fork();
		if (!pid)
			become_daemon(argv, fd);
		_exit(pid < 0);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return fail(-errno, "wait for the daemon's first half");
	}
	return status ? fail(-EAGAIN, "fork the daemon") : 0;
}

/* The daemon's words are already whole sentences, one a line. */
static int pass_on(const struct cli *cli, struct buf *words)
{
	char *line, *save = NULL;
	int n = 0;

	for (line = strtok_r(words->data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save), n++)
		log_err("%s", line);
	if (!n)
		return cli_refuse("its log may say why", "the daemon died; see '%s/run/log'",
				  cli->home);
	return CLI_FAILED;
}

int daemon_start(struct cli *cli, const struct daemon_config *config)
{
	/* What is not asked for stands in as --quiet, which a daemon does not mind. */
	const char *const argv[] = {
		cli->self,
		"--home",
		cli->home,
		"daemon",
		config->mountpoint,
		"--ready",
		"3",
		config->allow_other ? "--option=allow_other" : "--quiet",
		config->options ? "--option" : "--quiet",
		config->options ? config->options : "--quiet",
		NULL,
	};
	CLEANUP(buf_deinit) struct buf words = {0};
	CLEANUP(close_p) int rd = -1;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC))
		return fail(-errno, "make a pipe for the daemon");
	rd = fds[0];
	r = launch(argv, fds[1]);
	close(fds[1]);
	if (r)
		return r;
	buf_init(&words, DAEMON_WORDS_MAX);
	r = io_slurp_fd(rd, &words);
	if (r)
		return fail(r, "hear from the daemon");
	return strcmp(words.data, DAEMON_READY) ? pass_on(cli, &words) : CLI_DONE;
}
