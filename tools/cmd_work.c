/* frag work: the work trees of a project beside `live`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/fragment.h"
#include "store/project.h"
#include "store/work_session.h"
#include "store/worktree_git.h"
#include "tools/exact.h"
#include "tools/verbs.h"
#include "tools/work_client.h"

enum { REPLY_MAX = 1 << 20, PATIENCE_MS = 60000 };

static int refuse(const struct work_call *c, const char *name, int r)
{
	switch (r) {
	case WORK_EXISTS:
		return cli_refuse("`frag work list` shows those there are",
				  "project '%s' has a work tree '%s' already",
				  project_name(c->project), name);
	case WORK_BAD_NAME:
		return cli_refuse("letters, digits, '.', '_' and '-', and not `live`",
				  "'%s' is not a name a further work tree can have", name);
	case WORK_MISSING:
		return cli_refuse("`frag work list` shows those there are",
				  "project '%s' has no work tree '%s'",
				  project_name(c->project), name);
	case WORK_HELD:
		return cli_refuse("`frag unmount` first",
				  "work tree '%s' is in use by another process", name);
	case WORKTREE_MOVED:
		return cli_refuse("name another with --branch",
				  "the branch of '%s' is in the way", name);
	default:
		return CLI_FAILED;
	}
}

enum { ADD_BRANCH, ADD_FROM };

static int run_add(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(work_call_deinit) struct work_call c = {0};
	CLEANUP(free_p) char *branch = NULL;
	struct work_session_spec spec = {.uid = getuid(), .gid = getgid()};
	struct cli_args project = *args;
	struct work_info info;
	struct oid from;
	struct json_out o;
	int r;

	project.n_pos = args->n_pos > 1;
	r = work_call_init(&c, cli, &project);
	if (!r && args->values[ADD_FROM])
		r = cli_revision(c.project, args->values[ADD_FROM], &from);
	if (r)
		return r;
	spec.name = args->pos[args->n_pos - 1];
	spec.commit = args->values[ADD_FROM] ? &from : NULL;
	if (args->values[ADD_BRANCH])
		spec.branch = branch = alloc_fmt("refs/heads/%s", args->values[ADD_BRANCH]);
	r = work_session_create(c.project, &spec, &info);
	if (r)
		return refuse(&c, spec.name, r);
	cli_changed(cli, project_name(c.project));
	if (!cli->json) {
		printf("%s: work tree '%s' on branch %s\n", project_name(c.project), spec.name,
		       args->values[ADD_BRANCH] ? args->values[ADD_BRANCH] : spec.name);
		return CLI_DONE;
	}
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "project", project_name(c.project));
	json_str_field(&o, "work", spec.name);
	json_str_field(&o, "branch",
		       args->values[ADD_BRANCH] ? args->values[ADD_BRANCH] : spec.name);
	json_end(&o, '}');
	(void)json_out_end(&o);
	return CLI_DONE;
}

static const struct cli_option add_options[] = {
	[ADD_BRANCH] = {'b', "branch", "NAME",
			"the branch it stands on, made if need be (its own name)"},
	[ADD_FROM] = {0, "from", "REVISION", "where a new branch starts (where live stands)"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_work_add = {
	.name = "work add",
	.synopsis = "[<project>] <name>",
	.summary = "make a work tree on a branch of its own",
	.help = "It appears as work/<name> in the mount; `mkdir` there does the same. It costs "
		"nothing "
		"until something in it changes.",
	.options = add_options,
	.min_pos = 1,
	.max_pos = 2,
	.run = run_add,
};

struct listing {
	struct work_call *c;
	struct json_out *out;
};

static int list_one(const struct work_info *info, void *arg)
{
	struct listing *l = arg;
	struct project_head h = {0};
	struct fragment f = {0};
	const char *branch;

	(void)worktree_git_head(l->c->project, info->name, &h);
	if (!oid_is_zero(&h.commit))
		(void)fragment_by_commit(l->c->project, &h.commit, &f);
	branch = !strncmp(h.branch, "refs/heads/", 11) ? h.branch + 11 : h.branch;
	if (!l->out) {
		printf("%-20s fragment %u%s%s\n", info->name, f.seq, *branch ? " on " : "",
		       branch);
		return 0;
	}
	json_begin(l->out, '{');
	json_str_field(l->out, "name", info->name);
	json_str_field(l->out, "branch", *branch ? branch : NULL);
	exact_oid_field(l->out, "commit", &h.commit);
	json_int_field(l->out, "seq", f.seq);
	json_int_field(l->out, "autocommit", info->autocommit_s);
	json_bool_field(l->out, "commitAfterExec", info->commit_after_exec);
	json_end(l->out, '}');
	return 0;
}

static int run_list(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(work_call_deinit) struct work_call c = {0};
	struct listing l = {.c = &c};
	struct json_out o;
	int r = work_call_init(&c, cli, args);

	if (r)
		return r;
	if (cli->json) {
		json_out_file(&o, stdout);
		json_begin(&o, '[');
		l.out = &o;
	}
	r = work_each(c.store, project_id(c.project), list_one, &l);
	if (cli->json) {
		json_end(&o, ']');
		(void)json_out_end(&o);
	}
	return r ? CLI_FAILED : CLI_DONE;
}

const struct verb verb_work_list = {
	.name = "work list",
	.synopsis = "[<project>]",
	.summary = "list the work trees of a project",
	.max_pos = 1,
	.run = run_list,
};

/* The daemon has it open; in its mount it goes as any directory of sessions does. 0, CLI_NO_DAEMON, an outcome, or a fault. */
static int remove_in_mount(struct work_call *c, const char *name)
{
	CLEANUP(free_p) char *path = NULL;
	CLEANUP(buf_deinit) struct buf reply;
	struct json *status = NULL;
	const char *point = NULL;
	char why[256];
	int r;

	buf_init(&reply, REPLY_MAX);
	r = cli_ask_daemon(c->cli, "{\"op\":\"status\"}", &reply, PATIENCE_MS);
	if (r)
		return r;
	if (json_parse(reply.data, reply.len, &status, why, sizeof(why)) ||
	    json_get_str(status, "mountpoint", &point))
		r = fail(-EIO, "ask the daemon where it is mounted");
	else
		path = alloc_fmt("%s/%s/work/%s", point, project_name(c->project), name);
	json_free(status);
	if (r)
		return r;
	if (!rmdir(path))
		return 0;
	return errno == ENOENT ? (int)WORK_MISSING : fail(-errno, "remove '%s'", path);
}

static int run_rm(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(work_call_deinit) struct work_call c = {0};
	struct cli_args project = *args;
	const char *name = args->pos[args->n_pos - 1];
	struct work_info info;
	struct work *w = NULL;
	int r;

	project.n_pos = args->n_pos > 1;
	r = work_call_init(&c, cli, &project);
	if (r)
		return r;
	r = remove_in_mount(&c, name);
	if (r == CLI_NO_DAEMON) {
		r = work_find(c.project, name, &info);
		if (!r)
			r = work_open(c.project, &info, &w);
		if (!r)
			r = work_session_remove(c.project, name, w);
	}
	if (r > 0)
		return refuse(&c, name, r);
	if (r)
		return CLI_FAILED;
	cli_changed(cli, project_name(c.project));
	if (!cli->json)
		printf("%s: removed work tree '%s'; its branch stays\n",
		       project_name(c.project), name);
	return CLI_DONE;
}

const struct verb verb_work_rm = {
	.name = "work rm",
	.synopsis = "[<project>] <name>",
	.summary = "remove a work tree; its branch and its operations stay",
	.help = "What was uncommitted is kept in the operation log: `frag op log` has its "
		"tree.",
	.min_pos = 1,
	.max_pos = 2,
	.run = run_rm,
};
