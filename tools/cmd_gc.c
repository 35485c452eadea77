/* frag gc: packs projects and clears what can be had again.
 *
 * Nothing that git still has is pruned, so no fragment and no unfinished work of anybody is lost by it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "store/gc.h"
#include "store/oplog.h"
#include "store/project.h"
#include "store/store.h"
#include "tools/cli.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

enum { OPTION_FULL, OPTION_CACHE, OPTION_OLDER, DAY_S = 86400, DAYS_MAX = 36500 };

#define CACHE_KEPT ((int64_t)1 << 30)
#define CACHE_MAX  ((int64_t)1 << 50)

struct work {
	struct progress *bar;
	uint64_t n;
};

static void show(const char *project, void *arg)
{
	struct work *w = arg;

	progress_at(w->bar, project, ++w->n, 0);
}

static int report(const struct cli *cli, const struct gc_result *g)
{
	struct json_out o;

	if (!cli->json) {
		(void)printf("%" PRIu64 " project%s packed, %" PRIu64 " bytes before, %" PRIu64
			     " after\n",
			     g->n_packed, g->n_packed == 1 ? "" : "s", g->bytes_before,
			     g->bytes_after);
		if (g->n_locked)
			(void)printf("%" PRIu64 " passed over: imports are at work\n",
				     g->n_locked);
		if (g->cache_freed)
			(void)printf("%" PRIu64 " bytes of cache freed\n", g->cache_freed);
		return CLI_DONE;
	}
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_int_field(&o, "packed", (int64_t)g->n_packed);
	json_int_field(&o, "locked", (int64_t)g->n_locked);
	json_int_field(&o, "bytes_before", (int64_t)g->bytes_before);
	json_int_field(&o, "bytes_after", (int64_t)g->bytes_after);
	json_int_field(&o, "locks_removed", (int64_t)g->n_locks);
	json_int_field(&o, "vanished", (int64_t)g->n_vanished);
	json_int_field(&o, "cache_freed", (int64_t)g->cache_freed);
	json_end(&o, '}');
	return json_out_end(&o);
}

static int collect(struct cli *cli, struct store *st, struct project *p, const struct gc *asked)
{
	struct work w = {.bar = progress_new(cli, "gc")};
	struct gc how = *asked;
	struct gc_result result = {0};
	int r;

	how.progress = show;
	how.arg = &w;
	if (p)
		show(project_name(p), &w);
	r = p ? gc_project(p, how.full, &result) : gc_store(st, &how, &result);
	progress_free(w.bar);
	if (r == PROJECT_LOCKED)
		return cli_refuse("try again when that is over",
				  "project '%s' is being imported into", project_name(p));
	if (r == PROJECT_GONE)
		return cli_refuse(NULL, "project '%s' has just vanished", project_name(p));
	return r ? CLI_FAILED : report(cli, &result);
}

struct forget {
	struct store *st;
	int64_t before;
	uint64_t n;
};

static int forget_one(const char *name, void *arg)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct forget *f = arg;
	uint64_t n = 0;
	int r = project_open(f->st, name, &p);

	if (!r)
		r = oplog_prune(p, f->before, &n);
	f->n += n;
	/* A repository that is none has no operations. */
	return r < 0 ? r : 0;
}

/* What undo could bring back, no longer: only when somebody says so. */
static int forget_operations(struct cli *cli, struct store *st, const struct project *p,
			     int64_t days)
{
	struct forget f = {.st = st, .before = clock_wall(clock_system()) - days * DAY_S};
	int r = p ? forget_one(project_name(p), &f) : project_each(st, forget_one, &f);

	if (!r && !cli->json)
		printf("%" PRIu64 " operation%s forgotten\n", f.n, f.n == 1 ? "" : "s");
	return r ? CLI_FAILED : CLI_DONE;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct gc how = {.full = args->values[OPTION_FULL] != NULL};
	int64_t kept = CACHE_KEPT, days = 0;
	int r;

	if (args->values[OPTION_CACHE] &&
	    !cli_number("--cache", args->values[OPTION_CACHE], 0, CACHE_MAX, &kept))
		return CLI_USAGE;
	if (args->values[OPTION_OLDER] &&
	    !cli_number("--older-than", args->values[OPTION_OLDER], 0, DAYS_MAX, &days))
		return CLI_USAGE;
	how.cache_limit = (uint64_t)kept;
	r = cli_open_store(cli, &st);
	if (!r && args->n_pos)
		r = cli_open_project(cli, st, args->pos[0], &p);
	if (!r && args->values[OPTION_OLDER])
		r = forget_operations(cli, st, p, days);
	return r ? r : collect(cli, st, p, &how);
}

static const struct cli_option options[] = {
	[OPTION_FULL] = {0, "full", NULL, "one pack per project, however long it takes"},
	[OPTION_CACHE] = {0, "cache", "BYTES",
			  "how much of the cache may stay (default 1 GiB)"},
	[OPTION_OLDER] = {0, "older-than", "DAYS",
			  "also forget operations that old: they can no longer be undone"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_gc = {
	.name = "gc",
	.synopsis = "[<project>] [--full] [--cache BYTES] [--older-than DAYS]",
	.summary = "pack projects and clear the cache",
	.help = "Joins small packs, packs refs, removes stale locks and trims the cache. "
		"Nothing that git still has is "
		"pruned; readers and the mount may go on meanwhile.",
	.options = options,
	.max_pos = 1,
	.run = run,
};
