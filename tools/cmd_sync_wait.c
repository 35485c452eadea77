/* frag sync wait, frag sync flush: until the sandbox provably holds what the project wants.
 *
 * Whoever has the sandbox in hand, daemon or another command, is waited for; what is left to do then is done here. So
 * both verbs need no daemon, and mean the same with one.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "store/project.h"
#include "sync/mirror.h"
#include "tools/cli.h"
#include "tools/drive.h"
#include "tools/sandbox.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct progress *, progress_free)

enum { WAIT_TIMEOUT, WAIT_OPTIONS };

static void on_progress(const struct mirror_status *m, void *arg)
{
	progress_at(arg, mirror_state_name(m->state), m->files_done, m->files_total);
}

static void print_json(struct project *p, const struct mirror_status *s)
{
	struct json_out o;

	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "project", project_name(p));
	mirror_status_json(s, &o);
	json_end(&o, '}');
	(void)json_out_end(&o);
}

static int answer(const struct sandbox *s, const struct mirror_status *m, int r)
{
	char hex[OID_HEX_LEN + 1];

	if (s->cli->json && r >= 0 && r != MIRROR_NONE)
		print_json(s->project, m);
	if (r == MIRROR_LATE)
		return cli_refuse("`frag sync status` says more; ask again to go on waiting",
				  "the sandbox was not verified in time (state %s)%s%s",
				  mirror_state_name(m->state), m->why[0] ? ": " : "", m->why);
	if (r == MIRROR_STUCK)
		return cli_refuse("`frag sync status` says more",
				  "the sandbox does not hold what the project wants: %s",
				  m->why);
	if (r == MIRROR_NONE)
		return cli_refuse("`frag sandbox up` makes one", "the sandbox was removed");
	if (r)
		return CLI_FAILED;
	if (!s->cli->json)
		printf("%s: verified tree %.12s\n", project_name(s->project),
		       oid_hex(&m->record.observed, hex));
	return CLI_DONE;
}

static int wait_for(struct cli *cli, const struct cli_args *args, bool rehash)
{
	CLEANUP(sandbox_close) struct sandbox s = {0};
	CLEANUP(progress_freep) struct progress *bar = NULL;
	struct mirror_options o = {.rehash = rehash, .progress = on_progress};
	struct mirror_status status = {0};
	int64_t seconds = 60;
	size_t used;
	int r;

	if (args->values[WAIT_TIMEOUT] &&
	    !cli_number("--timeout", args->values[WAIT_TIMEOUT], 1, 86400, &seconds))
		return CLI_USAGE;
	r = sandbox_open_existing(&s, cli, args, &used);
	if (r)
		return r;
	if (args->n_pos != used)
		return cli_usage("it takes one project");
	bar = progress_new(cli, "sandbox");
	o.timeout_ms = seconds * 1000;
	o.arg = bar;
	r = drive(cli, s.store, s.provider, s.project, &o, &status);
	return answer(&s, &status, r);
}

static int run_wait(struct cli *cli, const struct cli_args *args)
{
	return wait_for(cli, args, false);
}

static int run_flush(struct cli *cli, const struct cli_args *args)
{
	return wait_for(cli, args, true);
}

static const struct cli_option options[] = {
	[WAIT_TIMEOUT] = {0, "timeout", "SECONDS", "give up after so many seconds (60)"},
	[WAIT_OPTIONS] = {0},
};

const struct verb verb_sync_wait = {
	.name = "sync wait",
	.synopsis = "[<project>]",
	.summary = "wait until the sandbox provably holds what the project wants",
	.help = "Exits 0 when the sandbox was verified, by a tree hash computed inside it, to "
		"hold "
		"what HEAD "
		"wants; 1 when the time is over or something needs a person (a conflict, a "
		"halt, a "
		"pause), with "
		"the reason.",
	.options = options,
	.max_pos = 1,
	.run = run_wait,
};

const struct verb verb_sync_flush = {
	.name = "sync flush",
	.synopsis = "[<project>]",
	.summary = "bring the sandbox up to date now and read every file in it again",
	.help = "As `frag sync wait`, but no file inside is believed to be unchanged by its "
		"times: "
		"all are "
		"hashed anew. What differs is saved as a fragment.",
	.options = options,
	.max_pos = 1,
	.run = run_flush,
};
