/* frag: the program.
 *
 * The map of the tree, top to bottom; each folder includes only what stands below it:
 *
 *	tools/     this program: one file per verb (cmd_<verb>.c), the daemon and its socket
 *	fs/        the mount: FUSE session, inodes, invalidation
 *	sync/      the mirror: planner, engine, journal
 *	provider/  who runs sandboxes; provider/agent/: what runs inside one
 *	store/     projects, fragments, index, state: all that touches git and LMDB
 *	base/      errors, log, buffers, files, time, JSON
 *
 * A command line is parsed after the table below (tools/options.c), the home is found
 * (tools/home.c) and the verb is run. `daemon` is a verb like the others: `frag mount` starts it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "tools/cli.h"
#include "tools/closest.h"
#include "tools/help.h"
#include "tools/home.h"
#include "tools/mount_helper.h"
#include "tools/options.h"
#include "tools/verbs.h"

/* One a line. */
/* clang-format off */
const struct verb *const verbs[] = {
	&verb_init,
	&verb_import,
	&verb_project_list,
	&verb_project_create,
	&verb_project_rename,
	&verb_project_delete,
	&verb_mount,
	&verb_unmount,
	&verb_daemon,
	&verb_ask,
	&verb_log,
	&verb_show,
	&verb_diff,
	&verb_status,
	&verb_commit,
	&verb_checkout,
	&verb_restore,
	&verb_merge,
	&verb_undo,
	&verb_op_log,
	&verb_op_show,
	&verb_op_restore,
	&verb_work_list,
	&verb_work_add,
	&verb_work_rm,
	&verb_tag_list,
	&verb_tag_create,
	&verb_tag_delete,
	&verb_tag,
	&verb_branch_list,
	&verb_branch_create,
	&verb_branch_delete,
	&verb_branch,
	&verb_sandbox_up,
	&verb_sandbox_down,
	&verb_sandbox_list,
	&verb_sandbox_show,
	&verb_sandbox_start,
	&verb_sandbox_stop,
	&verb_sandbox_pause,
	&verb_sandbox_resume,
	&verb_sandbox_exec,
	&verb_sandbox_shell,
	&verb_sandbox_run,
	&verb_sandbox_logs,
	&verb_sandbox_kill,
	&verb_sandbox_cp,
	&verb_sandbox_url,
	&verb_sandbox_rm,
	&verb_sandbox_forward,
	&verb_provider_list,
	&verb_provider_test,
	&verb_provider_rollout,
	&verb_sync_status,
	&verb_sync_wait,
	&verb_sync_flush,
	&verb_sync_events,
	&verb_sync_pause,
	&verb_sync_resume,
	&verb_sync_resolve,
	&verb_search,
	&verb_export,
	&verb_gc,
	&verb_fsck,
	&verb_reindex,
	&verb_completion,
	&verb_help,
	&verb_manual,
	NULL,
};
/* clang-format on */

enum { WHY_MAX = 1024 };

static int refuse_verb(const char *word)
{
	CLEANUP(buf_deinit) struct buf near_words = {0};
	struct closest near;

	if (help_group(stderr, word))
		return CLI_USAGE;
	buf_init(&near_words, WHY_MAX);
	closest_init(&near, word);
	for (const struct verb *const *v = verbs; *v; v++)
		closest_offer(&near, (*v)->name);
	closest_words(&near, &near_words);
	log_err("there is no verb '%s'", word);
	if (near.n)
		log_err("  did you mean %s?", near_words.data);
	else
		log_err("  `frag help` lists the verbs");
	return CLI_USAGE;
}

static int run_verb(const struct verb *v, const struct options *o, mode_t mask)
{
	struct cli cli = {.json = o->json, .quiet = o->quiet, .umask = mask};
	int r;

	if (o->version) {
		help_version(stdout);
		return CLI_DONE;
	}
	if (o->help || !v) {
		if (v)
			help_verb(stdout, v);
		else
			help_overview(o->help ? stdout : stderr);
		return o->help ? CLI_DONE : CLI_USAGE;
	}
	r = home_find(o->home, &cli);
	if (!r)
		r = v->run(&cli, &o->args);
	home_forget(&cli);
	/* A full disk must not look like success; whoever closed the pipe has had enough and wants no words. */
	if ((fflush(stdout) || ferror(stdout)) && !r)
		r = errno == EPIPE ? CLI_FAILED
				   : cli_refuse(NULL, "cannot write the output: %m");
	return r < 0 ? CLI_FAILED : r;
}

static const char *name_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path ? path : "";
}

int main(int argc, char **argv)
{
	CLEANUP(options_deinit) struct options o = {0};
	CLEANUP(buf_deinit) struct buf why;
	struct options_line line = {.argc = argc, .argv = argv};
	const struct verb *v = NULL;
	mode_t mask = umask(077);

	(void)signal(SIGPIPE, SIG_IGN);
	log_open(STDERR_FILENO, home_log_level(LOG_LEVEL_WARN), false);
	buf_init(&why, WHY_MAX);
	if (!strcmp(name_of(argv[0]), MOUNT_HELPER_NAME))
		return mount_helper(argc, argv);
	line.skip = options_skip_common(argc, argv);
	line.n_skip = options_verb(verbs, argc, argv, line.skip, &v);
	if (line.skip < argc && !line.n_skip)
		return refuse_verb(argv[line.skip]);
	if (options_parse(v, &line, &o, &why))
		return cli_usage("%s", why.data);
	return run_verb(v, &o, mask);
}
