/* frag checkout: moves a project's HEAD, and with it `live` in the mount and the project's sandbox.
 *
 * The flip is durable before anything else is told, so that a command killed anywhere leaves a HEAD that every follower
 * derives its work from. A branch's name keeps HEAD on the branch; any other version detaches it at the commit. The
 * sandbox is then followed to its acknowledgement, by this process or by a daemon that was quicker; a checkout is an order,
 * so what the sandbox changed of its own is saved as a fragment and then replaced.
 */
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
#include "sync/mirror.h"
#include "tools/cli.h"
#include "tools/drive.h"
#include "tools/exact.h"
#include "tools/sandbox.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct commit *, commit_free)
DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct provider *, provider_free)
DEFINE_CLEANUP(struct store *, store_close)

enum { CHECKOUT_WAIT, CHECKOUT_NO_WAIT, CHECKOUT_TIMEOUT };

struct checkout {
	struct cli *cli;
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

static int flip(struct checkout *c)
{
	int64_t start = clock_ns();
	int r = project_set_head(c->project, c->branch, &c->commit);

	if (r > 0)
		return cli_refuse("`frag project list` shows those there are",
				  "project '%s' has just vanished", project_name(c->project));
	if (r)
		return CLI_FAILED;
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
	int r = sandbox_provider(c->cli, &provider);

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
	printf("%s: now at fragment %u (%.12s)%s, %llu file%s changed\n",
	       project_name(c->project), c->seq, oid_hex(&c->commit, hex), where,
	       (unsigned long long)c->n_changed, c->n_changed == 1 ? "" : "s");
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
	print_flip(c);
	r = mirror_look(c->store, c->project, &c->mirror);
	c->has_sandbox = r == 0;
	if (r == 0 && !args->values[CHECKOUT_NO_WAIT])
		r = follow(c);
	else
		r = r < 0 ? r : 0;
	if (c->cli->json)
		print_json(c);
	if (!c->has_sandbox || (!r && args->values[CHECKOUT_NO_WAIT]))
		return r ? CLI_FAILED : CLI_DONE;
	r = print_sandbox(c);
	return args->values[CHECKOUT_WAIT] ? r : CLI_DONE;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct checkout c = {.cli = cli};
	int64_t seconds = 60;
	size_t used = 0;
	int r;

	if (args->values[CHECKOUT_WAIT] && args->values[CHECKOUT_NO_WAIT])
		return cli_usage("--wait and --no-wait exclude each other");
	if (args->values[CHECKOUT_TIMEOUT] &&
	    !cli_number("--timeout", args->values[CHECKOUT_TIMEOUT], 1, 86400, &seconds))
		return CLI_USAGE;
	r = cli_open_store(cli, &st);
	if (!r)
		r = cli_project_arg(cli, st, args, &p, &used);
	if (r)
		return r;
	if (args->n_pos != used + 1)
		return cli_usage("frag checkout wants a project and one version");
	c.store = st;
	c.project = p;
	c.timeout_ms = seconds * 1000;
	return check_out(&c, args, args->pos[used]);
}

static const struct cli_option options[] = {
	[CHECKOUT_WAIT] = {0, "wait", NULL, "fail unless the sandbox is verified to hold it"},
	[CHECKOUT_NO_WAIT] = {0, "no-wait", NULL,
			      "return after the flip; a daemon brings the sandbox there"},
	[CHECKOUT_TIMEOUT] = {0, "timeout", "SECONDS", "how long to follow the sandbox (60)"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_checkout = {
	.name = "checkout",
	.synopsis = "[<project>] <fragment|branch|revision>",
	.summary = "switch a project, its live directory and its sandbox to a version",
	.help = "Moves HEAD, durably, and with it `live` in the mount. A branch's name keeps "
		"HEAD "
		"on the branch, "
		"any other version detaches it there.\n"
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
