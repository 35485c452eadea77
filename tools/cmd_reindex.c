/* frag reindex: the index, made anew from git.
 *
 * Everything in the index follows from the repositories, so this is always safe; numbers come from refs/fragments and stay.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "store/project.h"
#include "store/refresh.h"
#include "store/store.h"
#include "tools/cli.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

static void show(const char *phase, uint64_t done, uint64_t total, void *arg)
{
	progress_at(arg, phase, done, total);
}

static int rebuild(struct cli *cli, struct store *st, const struct cli_args *args)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct progress *bar;
	int r = args->n_pos ? cli_open_project(cli, st, args->pos[0], &p) : CLI_DONE;

	if (r)
		return r;
	bar = progress_new(cli, "reindex");
	r = p ? refresh_rebuild(p, show, bar) : refresh_rebuild_all(st, show, bar);
	progress_free(bar);
	if (r == PROJECT_GONE || r == PROJECT_LOCKED)
		return cli_refuse("try again when that is over",
				  "a project vanished or is being imported into");
	return r ? CLI_FAILED : CLI_DONE;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	struct json_out o;
	int r = cli_open_store(cli, &st);

	if (!r)
		r = rebuild(cli, st, args);
	if (r)
		return r;
	cli_changed(cli, NULL);
	if (!cli->json)
		return CLI_DONE;
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "reindexed", args->n_pos ? args->pos[0] : "all");
	json_end(&o, '}');
	return json_out_end(&o);
}

const struct verb verb_reindex = {
	.name = "reindex",
	.synopsis = "[<project>]",
	.summary = "make the index anew from git",
	.help = "The index only repeats what the repositories say, so this loses nothing; "
		"fragments keep their numbers.",
	.max_pos = 1,
	.run = run,
};
