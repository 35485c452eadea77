/* frag sync resolve: whose version stands, when the sandbox has changes of its own.
 *
 * Nothing is lost either way: before anything is replaced, what the sandbox had is a fragment.
 *
 *	--ours    the project's version is put back, as by a checkout of what is checked out already
 *	--theirs  the branch moves forward to the fragment that saved the sandbox's changes
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "provider/provider.h"
#include "store/commit.h"
#include "store/project.h"
#include "store/ref.h"
#include "sync/mirror.h"
#include "tools/cli.h"
#include "tools/drive.h"
#include "tools/sandbox.h"
#include "tools/verbs.h"

enum { RESOLVE_OURS, RESOLVE_THEIRS, RESOLVE_OPTIONS };
enum { PATIENCE_MS = 60000 };

DEFINE_CLEANUP(struct commit *, commit_free)

/* Was it made on top of what HEAD stands at? */
static bool follows(struct project *p, const struct oid *saved, const struct oid *head)
{
	CLEANUP(commit_freep) struct commit *c = NULL;

	return !commit_read(p, saved, &c) && c->n_parents == 1 && oid_eq(&c->parents[0], head);
}

/* Moves HEAD, and the branch it is on, to the saved changes. 0 or an exit status. */
static int take_theirs(struct sandbox *s)
{
	const struct oid *saved = &s->record.drift;
	struct project_head head;
	int r = project_head(s->project, &head);

	if (r)
		return CLI_FAILED;
	if (oid_is_zero(saved))
		return cli_refuse("`frag sync status` says what there is",
				  "the sandbox has no saved changes");
	if (oid_eq(saved, &head.commit))
		return CLI_DONE;
	if (!follows(s->project, saved, &head.commit))
		return cli_refuse("`frag merge` joins the two, or `frag checkout` takes one",
				  "the saved changes were not made on top of HEAD");
	if (!head.branch[0])
		r = project_set_head(s->project, NULL, saved);
	else
		r = ref_advance(s->project, head.branch, &head.commit, saved,
				"taken over from the sandbox");
	if (r > 0)
		return cli_refuse("try again", "'%s' was moved by somebody else just now",
				  head.branch);
	return r ? CLI_FAILED : CLI_DONE;
}

static int settle(struct sandbox *s)
{
	struct mirror_options o = {.timeout_ms = PATIENCE_MS, .order = true};
	struct mirror_status status = {0};
	char hex[OID_HEX_LEN + 1];
	int r;

	cli_changed(s->cli, project_name(s->project));
	r = drive(s->cli, s->store, s->provider, s->project, &o, &status);
	if (r > 0)
		return cli_refuse("`frag sync status` says more", "the sandbox is %s%s%s",
				  mirror_state_name(status.state), status.why[0] ? ": " : "",
				  status.why);
	if (r)
		return CLI_FAILED;
	if (s->cli->json)
		printf("{\"project\":\"%s\",\"verified\":true,\"observed\":\"%s\"}\n",
		       project_name(s->project), oid_hex(&status.record.observed, hex));
	else
		printf("%s: verified tree %.12s\n", project_name(s->project),
		       oid_hex(&status.record.observed, hex));
	return CLI_DONE;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(sandbox_close) struct sandbox s = {0};
	size_t used;
	int r;

	if (!args->values[RESOLVE_OURS] == !args->values[RESOLVE_THEIRS])
		return cli_usage("say whose version stands: --ours or --theirs");
	r = sandbox_open_existing(&s, cli, args, &used);
	if (r)
		return r;
	if (args->n_pos != used)
		return cli_usage("it takes one project");
	if (args->values[RESOLVE_THEIRS])
		r = take_theirs(&s);
	return r ? r : settle(&s);
}

static const struct cli_option options[] = {
	[RESOLVE_OURS] = {0, "ours", NULL, "the project's version"},
	[RESOLVE_THEIRS] = {0, "theirs", NULL, "what the sandbox made of it"},
	[RESOLVE_OPTIONS] = {0},
};

const struct verb verb_sync_resolve = {
	.name = "sync resolve",
	.synopsis = "[<project>]",
	.summary = "decide whose version stands when the sandbox changed files",
	.help = "A sandbox that changed files of its own keeps them, in state conflict, until "
		"somebody decides. "
		"--ours puts "
		"the project's version back; --theirs moves the branch forward to the fragment "
		"that "
		"saved the "
		"sandbox's changes. Either way both are fragments and can be checked out.",
	.options = options,
	.max_pos = 1,
	.run = run,
};
