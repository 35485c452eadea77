/* The daemon: one process per home, from its lock to its last file.
 *
 *	lock run/daemon.lock ─► log ─► socket ─► mount ─► pid file ─► engines ─► "ready" ─► serve
 *	                                                                                     │
 *	unlock ◄─ close the store ◄─ remove pid, socket ◄─ unmount ◄─ stop engines ◄──────────┘
 *
 * Threads: the mount's (fs/), one for the control socket and one for each request under way
 * (control_server.c), one for each engine (engines.c). Signals are blocked in all but the mount's, which answers
 * SIGTERM, SIGINT and SIGHUP by unmounting. The lock is a flock: it is gone with the process however that
 * ends, nothing has to be cleaned up after kill -9, and the pid file is for people and scripts only.
 *
 * Until the mount answers, what goes wrong is sent through `ready_fd` to the command that started us; from then on
 * everything is said in run/log.
 */
#include "tools/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "fs/fs.h"
#include "store/store.h"
#include "tools/cli.h"
#include "tools/control_ops.h"
#include "tools/control_server.h"
#include "tools/engines.h"
#include "tools/home.h"
#include "tools/live.h"
#include "tools/sandbox.h"

enum {
	LOG_KEPT = 8 << 20, /* a larger log becomes log.1 at the next start */
	PATIENCE_MS = 10000,
	DYING_MS = 5000,
	OPTIONS_MAX = 16384,
};

struct daemon {
	struct cli *cli;
	const struct daemon_config *config;
	struct store *store;
	struct fs *fs;
	struct control_server *server;
	struct control_ops ops;
	struct engines *engines;
	struct source_live live;
	int lock, log;
	struct buf words; /* what went wrong before the mount answered */
};

static void tell(struct daemon *d, const char *words, size_t len)
{
	if (d->config->ready_fd < 0)
		return;
	(void)io_write_all(d->config->ready_fd, words, len);
	close(d->config->ready_fd);
}

/* A killed process keeps its lock until the kernel has closed its files, some milliseconds after it stopped running:
 * its program is gone from /proc by then. Waits for the end of such a one; false when the holder lives. */
static bool await_dying(const char *holder)
{
	char link[64], exe[16];
	struct pollfd end = {.events = POLLIN};
	intmax_t pid = strtoimax(holder, NULL, 10);
	CLEANUP(close_p) int pidfd = -1;

	if (pid <= 0 || pid > INT_MAX)
		return false;
	(void)snprintf(link, sizeof(link), "/proc/%jd/exe", pid);
	if (readlink(link, exe, sizeof(exe)) >= 0 || errno != ENOENT)
		return false;
	pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (pidfd < 0)
		return errno == ESRCH;
	end.fd = pidfd;
	return poll(&end, 1, DYING_MS) > 0;
}

static int take_lock(struct daemon *d)
{
	int run = store_run_fd(d->store);
	char what[3072], holder[4096];
	int r;

	(void)snprintf(what, sizeof(what), "serves %s", d->config->mountpoint);
	r = lock_take(run, "daemon.lock", what, false, &d->lock);
	if (r != LOCK_HELD)
		return r;
	lock_holder(run, "daemon.lock", holder, sizeof(holder));
	if (await_dying(holder))
		r = lock_take(run, "daemon.lock", what, false, &d->lock);
	if (r != LOCK_HELD)
		return r;
	return cli_refuse(
		"one daemon serves a home: use that mount, or `frag unmount` it first",
		"this home has a daemon already: process %s", holder);
}

static int open_log(struct daemon *d)
{
	int run = store_run_fd(d->store);
	struct stat st;

	if (d->config->ready_fd < 0)
		return 0;
	if (!fstatat(run, "log", &st, AT_SYMLINK_NOFOLLOW) && st.st_size > LOG_KEPT)
		(void)renameat(run, "log", run, "log.1");
	d->log = openat(run, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
			0600);
	if (d->log < 0)
		return fail(-errno, "open the log in '%s/run'", d->cli->home);
	log_open(d->log, home_log_level(LOG_LEVEL_INFO), true);
	return 0;
}

/* From here on nobody reads our terminal; what libraries print goes to the log. */
static void leave_terminal(const struct daemon *d)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (d->log < 0)
		return;
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		close(null);
	}
	(void)dup2(d->log, STDOUT_FILENO);
	(void)dup2(d->log, STDERR_FILENO);
}

static int refuse_mount(const struct daemon *d, int r)
{
	const char *at = d->config->mountpoint;

	switch (r) {
	case FS_NOT_EMPTY:
		return cli_refuse("name an empty directory; what it holds would be hidden",
				  "'%s' is not an empty directory", at);
	case FS_INSIDE_HOME:
		return cli_refuse("name a directory outside of it",
				  "'%s' lies in the home '%s', or the home in it", at,
				  d->cli->home);
	case FS_MOUNTED:
		return cli_refuse(
			"`frag unmount` or umount that first, or name another directory",
			"something is mounted on '%s' already", at);
	case FS_NO_FUSE:
		return cli_refuse("it needs /dev/fuse, and fusermount3 (package fuse3) or root",
				  "nothing can be mounted here");
	default:
		return r;
	}
}

static int write_pid(struct daemon *d)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	return io_replace(store_run_fd(d->store), "daemon.pid", text, (size_t)n, 0600);
}

static int start_control(struct daemon *d)
{
	const struct control_config config = {
		.run_fd = store_run_fd(d->store),
		.patience_ms = PATIENCE_MS,
		.fn = control_ops_run,
		.arg = &d->ops,
	};

	d->ops = (struct control_ops){.store = d->store,
				      .fs = d->fs,
				      .engines = d->engines,
				      .mountpoint = d->config->mountpoint};
	return control_server_start(&config, &d->server);
}

static void tell_engines(const char *project, void *engines)
{
	engines_due(engines, project);
}

/* For status.json in the mount: one value, whatever happens. */
static void tell_status(const char *project, struct json_out *o, void *engines)
{
	struct mirror_status status;

	if (engines_status(engines, project, &status)) {
		json_put_null(o);
		return;
	}
	json_begin(o, '{');
	mirror_status_json(&status, o);
	json_end(o, '}');
}

static void tell_edited(const char *project, void *engines)
{
	engines_edited(engines, project);
}

static void make_engines(struct daemon *d)
{
	d->live = live_source(d->fs);
	d->engines = engines_new(d->cli, d->store, &d->live);
	fs_on_change(d->fs, tell_engines, d->engines);
	fs_on_edit(d->fs, tell_edited, d->engines);
	fs_on_status(d->fs, tell_status, d->engines);
}

/* As root everything that needs privileges has them already; an ordinary user still needs the set-uid
 * fusermount3 to unmount, so there it would do harm. */
static void harden(void)
{
	if (!geteuid())
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* The home becomes the mount's source in mountinfo, from where verbs that run inside the mount learn it. A comma or
 * backslash in it would end the option. */
static char *options_of(const struct daemon *d)
{
	const char *more = d->config->options;
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, OPTIONS_MAX);
	(void)buf_str(&b, "fsname=");
	for (const char *c = d->cli->home; *c; c++)
		(void)buf_fmt(&b, "%s%c", strchr(",\\", *c) ? "\\" : "", *c);
	(void)buf_fmt(&b, "%s%s", more ? "," : "", more ? more : "");
	return buf_take(&b);
}

static int begin(struct daemon *d)
{
	CLEANUP(free_p) char *options = options_of(d);
	const struct fs_config config = {.mountpoint = d->config->mountpoint,
					 .options = options,
					 .allow_other = d->config->allow_other};
	int r = cli_open_store(d->cli, &d->store);

	if (!r)
		r = take_lock(d);
	if (!r)
		r = open_log(d);
	/* Per thread and inherited: so before there are others. */
	harden();
	if (!r)
		r = refuse_mount(d, fs_mount(d->store, &config, &d->fs));
	if (!r)
		r = write_pid(d);
	if (r)
		return r;
	make_engines(d);
	return start_control(d);
}

static void ready(void *arg)
{
	struct daemon *d = arg;

	log_capture(NULL);
	leave_terminal(d);
	engines_start(d->engines);
	log_info("daemon: process %ld serves '%s' on '%s'", (long)getpid(), d->cli->home,
		 d->config->mountpoint);
	tell(d, DAEMON_READY, strlen(DAEMON_READY));
}

static void end(struct daemon *d)
{
	control_server_stop(d->server);
	/* The follower speaks to the engines until its mount is gone. */
	fs_free(d->fs);
	engines_free(d->engines);
	if (d->store && d->lock >= 0)
		(void)unlinkat(store_run_fd(d->store), "daemon.pid", 0);
	if (d->store)
		store_close(d->store);
	close_p(&d->lock);
	if (d->log >= 0)
		log_info("daemon: process %ld ends", (long)getpid());
}

int daemon_run(struct cli *cli, const struct daemon_config *config)
{
	struct daemon d = {.cli = cli, .config = config, .lock = -1, .log = -1};
	int r;

	buf_init(&d.words, DAEMON_WORDS_MAX);
	if (config->ready_fd >= 0)
		log_capture(&d.words);
	r = begin(&d);
	if (r)
		tell(&d, d.words.data, d.words.len);
	else
		r = fs_serve(d.fs, ready, &d);
	log_capture(NULL);
	end(&d);
	buf_deinit(&d.words);
	return r ? CLI_FAILED : CLI_DONE;
}
