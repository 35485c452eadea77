/* frag checkout: moves HEAD of a work tree, and with it its files and, of `live`, the project's sandbox.
 *
 * The flip is durable before anything else is told, so that a command killed anywhere leaves a HEAD that every follower
 * derives its work from. A branch's name keeps HEAD on the branch; any other version detaches it at the commit. The
 * sandbox is then followed to its acknowledgement, by this process or by a daemon that was quicker; a checkout is an order,
 * so what the sandbox changed of its own is saved as a fragment and then replaced.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "provider/provider.h"
#include "store/commit.h"
#include "store/diff.h"
#include "store/fragment.h"
#include "store/project.h"
#include "store/ref.h"
#include "store/store.h"
#include "store/work.h"
#include "store/worktree_git.h"
#include "sync/mirror.h"
#include "tools/cli.h"
#include "tools/drive.h"
#include "tools/exact.h"
#include "tools/sandbox.h"
#include "tools/verbs.h"
#include "tools/work_client.h"

DEFINE_CLEANUP(struct commit *, commit_free)
DEFINE_CLEANUP(struct provider *, provider_free)

enum { CHECKOUT_WAIT, CHECKOUT_NO_WAIT, CHECKOUT_TIMEOUT, CHECKOUT_ATOMIC };

struct checkout {
	struct cli *cli;
	struct work_call call;
	bool is_live;
	struct project_head before;
	int64_t operation; /* in the operation log; 0: there was no work tree to switch */
	bool was_dirty;
	struct store *store;
	struct project *project;
	const char *branch;           /* full name; NULL: detached */
	struct oid commit, tree, was; /* was: the tree of HEAD before, zero when unborn */
	uint32_t seq;                 /* 0: it has no number */
	uint64_t n_changed;
	int64_t flip_us;
	bool has_sandbox, followed;
	int outcome; /* of mirror_run() */
	struct mirror_status mirror;
	int64_t mirror_us, timeout_ms;
};

/* A number is a fragment even where a branch has that name; refs/heads/42 names the branch. */
static bool is_number(const char *s)
{
	return s[strspn(s, "0123456789")] == '\0';
}

/* The branch that `rev` names, as a full ref name; NULL when it names none. */
static char *branch_of(struct project *p, const char *rev)
{
	CLEANUP(free_p) char *name = NULL;
	struct oid at;

	if (strncmp(rev, "refs/heads/", 11) == 0)
		name = alloc_str(rev);
	else if (!is_number(rev))
		name = alloc_fmt("refs/heads/%s", rev);
	return name && ref_read(p, name, &at) == 0 ? TAKE(name) : NULL;
}

static int tree_of(struct project *p, const struct oid *id, struct oid *ret)
{
	CLEANUP(commit_freep) struct commit *c = NULL;
	int r = commit_read(p, id, &c);

	if (r == COMMIT_MISSING)
		return cli_refuse("`frag fsck` says more", "that version's commit is missing");
	if (r)
		return CLI_FAILED;
	*ret = c->tree;
	return CLI_DONE;
}

static int count_one(const struct diff_change *c, void *arg)
{
	++*(uint64_t *)arg;
	return 0;
}

static int resolve(struct checkout *c, const char *rev)
{
	struct project_head head;
	struct fragment f;
	int r = cli_revision(c->project, c->branch ? c->branch : rev, &c->commit);

	if (!r)
		r = tree_of(c->project, &c->commit, &c->tree);
	if (r)
		return r;
	if (fragment_by_commit(c->project, &c->commit, &f) == 0)
		c->seq = f.seq;
	if (project_head(c->project, &head))
		return CLI_FAILED;
	/* Where HEAD came from only counts the difference: a broken one must not keep anybody there. */
	if (!oid_is_zero(&head.commit)) {
		CLEANUP(commit_freep) struct commit *was = NULL;

		if (!commit_read(c->project, &head.commit, &was))
			c->was = was->tree;
	}
	(void)diff_trees(c->project, &c->was, &c->tree, count_one, &c->n_changed);
	return CLI_DONE;
}

/* A project in which nobody ever looked at files has a HEAD and no work tree. */
static int flip_head(struct checkout *c, const char *branch, const struct oid *commit)
{
	int r = project_set_head(c->project, branch, commit);

	if (r > 0)
		return cli_refuse("`frag project list` shows those there are",
				  "project '%s' has just vanished", project_name(c->project));
	return r ? CLI_FAILED : CLI_DONE;
}

static int flip_work(struct checkout *c)
{
	int r;

	work_call_begin(&c->call, "checkout");
	exact_oid_field(&c->call.out, "commit", &c->commit);
	json_str_field(&c->call.out, "branch", c->branch);
	r = work_call_run(&c->call);
	if (!r)
		r = work_call_outcome(&c->call, "check out", NULL);
	if (r)
		return r;
	c->operation = work_call_int(&c->call, "operation");
	c->was_dirty = work_call_bool(&c->call, "dirty");
	c->n_changed = (uint64_t)work_call_int(&c->call, "changed");
	return CLI_DONE;
}

static int flip(struct checkout *c)
{
	int64_t start = clock_ns();
	struct work_info info;
	int r = work_find(c->project, c->call.work, &info);

	if (r < 0)
		return CLI_FAILED;
	if (r == WORK_MISSING && c->is_live)
		r = flip_head(c, c->branch, &c->commit);
	else
		r = flip_work(c);
	if (r)
		return r;
	cli_changed(c->cli, project_name(c->project));
	c->flip_us = (clock_ns() - start) / 1000;
	return CLI_DONE;
}

static void on_progress(const struct mirror_status *m, void *arg)
{
	progress_at(arg, mirror_state_name(m->state), m->files_done, m->files_total);
}

/* Drives the sandbox to the new HEAD. 0 or a fault; the outcome is noted. */
static int follow(struct checkout *c)
{
	CLEANUP(provider_freep) struct provider *provider = NULL;
	struct progress *bar = progress_new(c->cli, "sandbox");
	struct mirror_options o = {
		.timeout_ms = c->timeout_ms,
		.order = true,
		.progress = on_progress,
		.arg = bar,
	};
	int64_t start = clock_ns();
	int r = sandbox_provider_of(c->cli, c->store, c->project, &provider);

	if (r > 0)
		r = -EIO;

	if (!r)
		r = drive(c->cli, c->store, provider, c->project, &o, &c->mirror);
	progress_free(bar);
	c->mirror_us = (clock_ns() - start) / 1000;
	c->followed = r >= 0;
	c->outcome = r;
	c->has_sandbox = r != MIRROR_NONE;
	return r < 0 ? r : 0;
}

static void print_json(const struct checkout *c)
{
	struct json_out o;

	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "project", project_name(c->project));
	json_str_field(&o, "branch", c->branch);
	exact_oid_field(&o, "commit", &c->commit);
	exact_oid_field(&o, "tree", &c->tree);
	json_int_field(&o, "seq", c->seq);
	json_int_field(&o, "changed", (int64_t)c->n_changed);
	json_int_field(&o, "flipUs", c->flip_us);
	json_int_field(&o, "operation", c->operation);
	json_bool_field(&o, "dirty", c->was_dirty);
	json_key_out(&o, "sandbox");
	if (c->has_sandbox) {
		json_begin(&o, '{');
		mirror_status_json(&c->mirror, &o);
		json_int_field(&o, "us", c->mirror_us);
		json_end(&o, '}');
	} else {
		json_put_null(&o);
	}
	json_end(&o, '}');
	(void)json_out_end(&o);
}

static void print_flip(const struct checkout *c)
{
	char hex[OID_HEX_LEN + 1], where[280] = "";

	if (c->cli->json)
		return;
	if (c->branch)
		(void)snprintf(where, sizeof(where), " on %s",
			       c->branch + strlen("refs/heads/"));
	printf("%s%s%s: now at fragment %u (%.12s)%s, %llu file%s changed\n",
	       project_name(c->project), c->is_live ? "" : ":", c->is_live ? "" : c->call.work,
	       c->seq, oid_hex(&c->commit, hex), where, (unsigned long long)c->n_changed,
	       c->n_changed == 1 ? "" : "s");
	if (c->was_dirty)
		printf("what was uncommitted is kept: `frag undo` brings it back\n");
	(void)fflush(stdout);
}

/* What became of the sandbox; an exit status for those who insist. */
static int print_sandbox(const struct checkout *c)
{
	const struct mirror_status *m = &c->mirror;
	char hex[OID_HEX_LEN + 1];

	if (!c->followed || c->outcome == MIRROR_NONE)
		return c->followed ? CLI_DONE : CLI_FAILED;
	if (c->outcome == MIRROR_LATE)
		return cli_refuse(
			"it goes on from there: `frag sync status`, or check out again",
			"the sandbox was not verified in time (state %s)%s%s",
			mirror_state_name(m->state), m->why[0] ? ": " : "", m->why);
	if (c->outcome == MIRROR_STUCK)
		return cli_refuse("`frag sync status` says more",
				  "the sandbox does not hold this version: %s", m->why);
	if (c->cli->json)
		return CLI_DONE;
	printf("sandbox %s: verified tree %.12s in %lld.%lld ms\n", m->record.id,
	       oid_hex(&m->record.observed, hex), (long long)c->mirror_us / 1000,
	       (long long)c->mirror_us / 100 % 10);
	if (m->why[0])
		printf("note: %s\n", m->why);
	return CLI_DONE;
}

/* Everything as it was before; the sandbox is told to go back too, and nobody waits for it. */
static int roll_back(struct checkout *c)
{
	int r;

	if (c->operation) {
		work_call_begin(&c->call, "undo");
		json_int_field(&c->call.out, "id", c->operation);
		r = work_call_run(&c->call);
		if (!r)
			r = work_call_outcome(&c->call, "roll back", NULL);
	} else {
		r = flip_head(c, *c->before.branch ? c->before.branch : NULL,
			      &c->before.commit);
	}
	cli_changed(c->cli, project_name(c->project));
	if (r)
		return r;
	return cli_refuse("`frag sync status` says what is wrong with the sandbox",
			  "the sandbox could not follow%s%s; nothing was switched",
			  c->mirror.why[0] ? ": " : "", c->mirror.why);
}

static bool is_refused(const struct checkout *c)
{
	return !c->followed || c->outcome == MIRROR_LATE || c->outcome == MIRROR_STUCK;
}

static int check_out(struct checkout *c, const struct cli_args *args, const char *rev)
{
	CLEANUP(free_p) char *branch = branch_of(c->project, rev);
	int r;

	c->branch = branch;
	r = resolve(c, rev);
	if (!r)
		r = flip(c);
	if (r)
		return r;
	if (!args->values[CHECKOUT_ATOMIC])
		print_flip(c);
	r = c->is_live ? mirror_look(c->store, c->project, &c->mirror) : 1;
	c->has_sandbox = r == 0;
	if (r == 0 && !args->values[CHECKOUT_NO_WAIT])
		r = follow(c);
	else
		r = r < 0 ? r : 0;
	if (args->values[CHECKOUT_ATOMIC] && c->has_sandbox && is_refused(c))
		return roll_back(c);
	if (args->values[CHECKOUT_ATOMIC])
		print_flip(c);
	if (c->cli->json)
		print_json(c);
	if (!c->has_sandbox || (!r && args->values[CHECKOUT_NO_WAIT]))
		return r ? CLI_FAILED : CLI_DONE;
	r = print_sandbox(c);
	return args->values[CHECKOUT_WAIT] ? r : CLI_DONE;
}

static void checkout_deinit(struct checkout *c)
{
	work_call_deinit(&c->call);
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(checkout_deinit) struct checkout c = {.cli = cli};
	int64_t seconds = 60;
	int r;

	if (args->values[CHECKOUT_NO_WAIT] &&
	    (args->values[CHECKOUT_WAIT] || args->values[CHECKOUT_ATOMIC]))
		return cli_usage("--no-wait excludes --wait and --atomic");
	if (args->values[CHECKOUT_TIMEOUT] &&
	    !cli_number("--timeout", args->values[CHECKOUT_TIMEOUT], 1, 86400, &seconds))
		return CLI_USAGE;
	r = work_call_init(&c.call, cli, args);
	if (r)
		return r;
	if (args->n_pos != c.call.used + 1)
		return cli_usage("frag checkout wants a project and one version");
	c.store = c.call.store;
	c.project = c.call.project;
	c.is_live = !strcmp(c.call.work, WORKTREE_LIVE);
	c.timeout_ms = seconds * 1000;
	(void)project_head(c.project, &c.before);
	return check_out(&c, args, args->pos[c.call.used]);
}

static const struct cli_option options[] = {
	[CHECKOUT_WAIT] = {0, "wait", NULL, "fail unless the sandbox is verified to hold it"},
	[CHECKOUT_NO_WAIT] = {0, "no-wait", NULL,
			      "return after the flip; a daemon brings the sandbox there"},
	[CHECKOUT_TIMEOUT] = {0, "timeout", "SECONDS", "how long to follow the sandbox (60)"},
	[CHECKOUT_ATOMIC] = {0, "atomic", NULL,
			     "switch nothing unless the sandbox holds it too"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_checkout = {
	.name = "checkout",
	.synopsis = "[<project>[:<work>]] <fragment|branch|revision>",
	.summary = "switch a project, its live directory and its sandbox to a version",
	.help = "Moves HEAD, durably, and the files of the work tree with it: `live` unless "
		"another is "
		"named. A branch's name keeps HEAD on the branch, any other version detaches "
		"it there. "
		"What is uncommitted is never in the way and never lost: it is kept in the "
		"operation "
		"log, and `frag undo` brings it back.\n"
		"\n"
		"When the project has a sandbox, it is brought to the same files and verified "
		"by "
		"a hash computed "
		"inside; the verb waits for that and says so. What the sandbox changed of its "
		"own "
		"is saved as a "
		"fragment first. Without --wait a sandbox that could not follow is reported, "
		"and "
		"the exit "
		"status is 0, since the switch itself is done.",
	.options = options,
	.min_pos = 1,
	.max_pos = 2,
	.run = run,
};
