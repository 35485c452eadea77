/* A clean room for git.
 *
 * Nothing is inherited: who runs fragfs, with which configuration, must not change what a
 * store does, and a repository's own configuration must not run programs (the options on the command line
 * win over it). PATH is the system's, so that a `git` in some current directory is never found.
 */
#include "store/git_child.h"

#include <errno.h>

#include "base/error.h"
#include "base/proc.h"

enum { ARGS_MAX = 48 };

static const char *const env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LC_ALL=C",
	"HOME=/nonexistent",
	"XDG_CONFIG_HOME=/nonexistent",
	"GIT_CONFIG_NOSYSTEM=1",
	"GIT_CONFIG_GLOBAL=/dev/null",
	"GIT_ATTR_NOSYSTEM=1",
	"GIT_DIR=.",
	"GIT_NO_REPLACE_OBJECTS=1",
	"GIT_OPTIONAL_LOCKS=0",
	"GIT_TERMINAL_PROMPT=0",
	"GIT_NO_LAZY_FETCH=1",
	"GIT_PAGER=cat",
	NULL,
};

static const char *const options[] = {
	"git",
	"-c",
	"safe.directory=*",
	"-c",
	"core.hooksPath=/dev/null",
	"-c",
	"core.fsmonitor=false",
	"-c",
	"protocol.ext.allow=never",
	"-c",
	"core.fsync=all",
	"-c",
	"core.fsyncMethod=fsync",
	"-c",
	"gc.auto=0",
	"-c",
	"maintenance.auto=false",
};

enum { OPTIONS = sizeof(options) / sizeof(*options) };

const char *const *git_child_env(void)
{
	return env;
}

static int fill_argv(const char *const *args, const char *argv[ARGS_MAX])
{
	size_t n = 0;

	for (; n < OPTIONS; n++)
		argv[n] = options[n];
	for (; *args; args++) {
		if (n == ARGS_MAX - 1)
			return fail(-E2BIG, "start git with so many arguments");
		argv[n++] = *args;
	}
	argv[n] = NULL;
	return 0;
}

int git_child_start(int dir_fd, const char *const *args, int in_fd, int out_fd, pid_t *ret)
{
	const char *argv[ARGS_MAX];
	int r = fill_argv(args, argv);
	const struct proc proc = {.argv = argv,
				  .env = env,
				  .cwd_fd = dir_fd,
				  .in_fd = in_fd,
				  .out_fd = out_fd,
				  .err_fd = -1};

	return r ? r : proc_start(&proc, ret);
}

int git_child_run(int dir_fd, const char *const *args, struct buf *out, struct buf *err)
{
	const char *argv[ARGS_MAX];
	int r = fill_argv(args, argv);
	const struct proc proc = {.argv = argv,
				  .env = env,
				  .cwd_fd = dir_fd,
				  .in_fd = -1,
				  .out_fd = -1,
				  .err_fd = -1};

	return r ? r : proc_run(&proc, out, err);
}
