/* frag sync status: where the sandboxes of a home stand, from their records alone.
 *
 * It asks nobody and never blocks: the records are what every engine writes before and after it acts, so what they
 * say is true whoever is at it, and after any crash.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "store/fragment.h"
#include "store/project.h"
#include "store/store.h"
#include "sync/choice.h"
#include "sync/mirror.h"
#include "tools/cli.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

struct listing_of_sandboxes {
	struct cli *cli;
	struct store *store;
	struct json_out out;
	size_t n;
};

static void print_tree(const char *name, const struct oid *tree)
{
	char hex[OID_HEX_LEN + 1];

	if (oid_is_zero(tree))
		printf("  %-9s unknown\n", name);
	else
		printf("  %-9s %.12s\n", name, oid_hex(tree, hex));
}

static void print_commit(const char *name, struct project *p, const struct oid *commit)
{
	char hex[OID_HEX_LEN + 1];
	struct fragment f;

	if (oid_is_zero(commit))
		return;
	if (fragment_by_commit(p, commit, &f) == 0)
		printf("  %-9s fragment %u (%.12s)\n", name, f.seq, oid_hex(commit, hex));
	else
		printf("  %-9s %.12s\n", name, oid_hex(commit, hex));
}

static void print_status(struct project *p, const struct mirror_status *s)
{
	const struct state_sandbox *rec = &s->record;
	char at[CLOCK_TEXT_MAX];

	printf("%s: %s%s\n", project_name(p), mirror_state_name(s->state),
	       s->verified ? ", verified" : "");
	printf("  %-9s %s (%s)\n", "sandbox", rec->id, rec->provider);
	print_commit("wanted", p, &rec->desired_commit);
	print_tree("desired", &rec->desired);
	print_tree("observed", &rec->observed);
	print_tree("base", &rec->base);
	if (rec->verified)
		printf("  %-9s %s\n", "verified", clock_iso(rec->verified, 0, at));
	if (s->lag_s > 0)
		printf("  %-9s %lld s\n", "lag", (long long)s->lag_s);
	if (s->state == MIRROR_APPLY)
		printf("  %-9s %s, try %u\n", "plan", choice_name(s->plan), s->attempt + 1);
	print_commit("saved", p, &rec->drift);
	if (rec->n_kept)
		printf("  %-9s %u files as the sandbox has them\n", "kept", rec->n_kept);
	if (s->why[0])
		printf("  %-9s %s\n", "why", s->why);
}

static void put_status(struct json_out *o, struct project *p, const struct mirror_status *s)
{
	json_begin(o, '{');
	json_str_field(o, "project", project_name(p));
	mirror_status_json(s, o);
	json_end(o, '}');
}

static int run_one(struct cli *cli, struct store *st, const struct cli_args *args)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct mirror_status s;
	struct json_out o;
	size_t used;
	int r = cli_project_arg(cli, st, args, &p, &used);

	if (r)
		return r;
	r = mirror_look(st, p, &s);
	if (r == MIRROR_NONE)
		return cli_refuse("`frag sandbox up` makes one", "project '%s' has no sandbox",
				  project_name(p));
	if (r)
		return CLI_FAILED;
	if (!cli->json) {
		print_status(p, &s);
		return CLI_DONE;
	}
	json_out_file(&o, stdout);
	put_status(&o, p, &s);
	return json_out_end(&o) ? CLI_FAILED : CLI_DONE;
}

static int list_one(const char *name, void *arg)
{
	struct listing_of_sandboxes *l = arg;
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct mirror_status s;

	/* One that cannot be opened does not hide the others; its own verb says why. */
	if (project_open(l->store, name, &p) || mirror_look(l->store, p, &s))
		return 0;
	l->n++;
	if (l->cli->json)
		put_status(&l->out, p, &s);
	else
		print_status(p, &s);
	return 0;
}

static int run_all(struct cli *cli, struct store *st)
{
	struct listing_of_sandboxes l = {.cli = cli, .store = st};
	int r;

	json_out_file(&l.out, stdout);
	if (cli->json)
		json_begin(&l.out, '[');
	r = project_each(st, list_one, &l);
	if (!cli->json) {
		if (!l.n)
			printf("no project has a sandbox; `frag sandbox up` makes one\n");
		return r ? CLI_FAILED : CLI_DONE;
	}
	json_end(&l.out, ']');
	return json_out_end(&l.out) || r ? CLI_FAILED : CLI_DONE;
}

static int run_status(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(free_p) char *here = NULL;
	int r = cli_open_store(cli, &st);

	if (r)
		return r;
	here = args->n_pos ? NULL : cli_project_here(cli);
	return args->n_pos || here ? run_one(cli, st, args) : run_all(cli, st);
}

const struct verb verb_sync_status = {
	.name = "sync status",
	.synopsis = "[<project>]",
	.summary = "say how far sandboxes are behind their projects",
	.help = "For each sandbox: its state; the tree HEAD wants (desired), the one the "
		"sandbox "
		"was last seen "
		"to hold (observed), the last one both provably shared (base); since when it "
		"lags; what the sandbox "
		"changed of its own and as which fragment that was saved; and what stands in "
		"the "
		"way. Without a "
		"project, of all sandboxes. It asks no sandbox and never waits.\n"
		"\n"
		"States: new, probe, bootstrap, due, pull, plan, send, apply, verify are steps "
		"on "
		"the way; "
		"synced is there; backoff tries again by itself; asleep is being started; "
		"conflict "
		"holds changes "
		"that stay until the next checkout; halted and gone need you.",
	.max_pos = 1,
	.run = run_status,
};
