/* frag unmount: returns when the mount is gone and its daemon has ended.
 *
 * The mount is found by name in mountinfo, so a dead one can be unmounted too. The daemon notices by itself when its mount
 * goes; we hold a pidfd of it from before, so that waiting for it can neither miss it nor take another
 * process for it. A mount in use is not torn from those who use it unless --force is given: they are named.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "tools/cli.h"
#include "tools/mounts.h"
#include "tools/verbs.h"

enum { ASK_MS = 3000, END_MS = 20000, REPLY_MAX = 65536, USERS_MAX = 1024 };

DEFINE_CLEANUP(struct json *, json_free)

/* The pid of the daemon that serves `point`, 0 when none says so. */
static pid_t pid_of(const char *reply, size_t len, const char *point)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	const char *at = NULL;
	int64_t pid = 0;
	char why[128];

	if (json_parse(reply, len, &doc, why, sizeof(why)))
		return 0;
	if (json_get_str(doc, "mountpoint", &at) || strcmp(at, point) ||
	    json_get_int(doc, "pid", &pid) || pid <= 0)
		return 0;
	return (pid_t)pid;
}

/* A pidfd of the daemon behind the mount, or -1: then there is nobody to wait for. */
static int hold_daemon(struct cli *cli, const struct mount *m)
{
	struct cli other = *cli;
	CLEANUP(buf_deinit) struct buf reply;
	pid_t pid;

	if (m->source[0] == '/')
		other.home = m->source;
	buf_init(&reply, REPLY_MAX);
	if (cli_ask_daemon(&other, "{\"op\":\"status\"}", &reply, ASK_MS))
		return -1;
	pid = pid_of(reply.data, reply.len, m->point);
	return pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

static int refuse_busy(const char *point)
{
	CLEANUP(buf_deinit) struct buf users;

	buf_init(&users, USERS_MAX);
	if (mounts_users(point, &users))
		return cli_refuse("end them or leave the directory, or use --force",
				  "'%s' is in use by %s", point, users.data);
	return cli_refuse("`frag unmount --force` detaches it; open files stay usable",
			  "'%s' is in use", point);
}

/* The kernel ends a connection only when its last mount is gone, and a sandbox that was started meanwhile has a copy of every mount
 * in its own namespace. So the daemon is told, too. */
static void stop_daemon(const struct cli *cli, const struct mount *m)
{
	struct cli other = *cli;
	CLEANUP(buf_deinit) struct buf reply;

	if (m->source[0] == '/')
		other.home = m->source;
	buf_init(&reply, REPLY_MAX);
	(void)cli_ask_daemon(&other, "{\"op\":\"stop\"}", &reply, ASK_MS);
}

static int await_end(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, END_MS);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return CLI_DONE;
	return cli_refuse("its log, run/log in the home, may say why",
			  "it is unmounted, but the daemon does not end");
}

static int report(const struct cli *cli, const char *point)
{
	struct json_out o;

	if (!cli->json)
		return CLI_DONE;
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "unmounted", point);
	json_end(&o, '}');
	return json_out_end(&o);
}

static int unmount(struct cli *cli, const struct mount *m, bool force)
{
	CLEANUP(close_p) int pidfd = -1;
	int r;

	if (strcmp(m->type, MOUNTS_TYPE))
		return cli_refuse("`umount` unmounts other file systems",
				  "what is mounted on '%s' is a %s, not ours", m->point,
				  m->type);
	pidfd = hold_daemon(cli, m);
	/* Our own directory must not be what keeps it busy. */
	(void)!chdir("/");
	r = mounts_detach(m->point, false);
	if (r == MOUNTS_BUSY && force)
		r = mounts_detach(m->point, true);
	switch (r) {
	case 0:
	case MOUNTS_NONE: /* somebody was faster */
		break;
	case MOUNTS_BUSY:
		return refuse_busy(m->point);
	default:
		return r;
	}
	/* Detached by force it lives on until the last user is gone. */
	r = CLI_DONE;
	if (pidfd >= 0 && !force) {
		stop_daemon(cli, m);
		r = await_end(pidfd);
	}
	return r ? r : report(cli, m->point);
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(free_p) char *point = mounts_path(args->pos[0]);
	CLEANUP(mount_deinit) struct mount m = {0};
	int r;

	if (!point)
		return cli_refuse(NULL, "there is no directory '%s': %m", args->pos[0]);
	r = mounts_at(point, &m);
	if (r == MOUNTS_NONE)
		return cli_refuse("`findmnt -t fuse.frag` lists our mounts",
				  "nothing is mounted on '%s'", point);
	return r ? r : unmount(cli, &m, args->values[0] != NULL);
}

static const struct cli_option options[] = {
	{0, "force", NULL, "detach it although it is in use"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_unmount = {
	.name = "unmount",
	.synopsis = "<directory> [--force]",
	.summary = "end a mount and its daemon",
	.help = "Returns when the mount is gone and its daemon has ended. If the mount is in "
		"use, says by whom; with "
		"--force it is taken out of the tree at once and ends when its last user does.",
	.options = options,
	.min_pos = 1,
	.max_pos = 1,
	.run = run,
};
