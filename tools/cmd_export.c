/* frag export: a project as other programs want it, a bare repository or a bundle.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "store/export.h"
#include "store/project.h"
#include "store/store.h"
#include "tools/cli.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

enum { OPTION_BUNDLE, OPTION_FRAGMENTS, WHY_MAX = 16384 };

static int report(const struct cli *cli, const char *to)
{
	struct json_out o;

	if (!cli->json)
		return CLI_DONE;
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "exported", to);
	json_end(&o, '}');
	return json_out_end(&o);
}

static int export_to(struct cli *cli, struct project *p, const struct export_options *o)
{
	CLEANUP(buf_deinit) struct buf why;
	int r;

	buf_init(&why, WHY_MAX);
	/* It becomes the user's, with the rights he gives his files. */
	(void)umask(cli->umask);
	r = export_project(p, o, &why);
	switch (r) {
	case 0:
		return report(cli, o->to);
	case EXPORT_EXISTS:
		return cli_refuse("name a path that is free",
				  "there is something at '%s' already", o->to);
	case EXPORT_EMPTY:
		return cli_refuse("leave --bundle out: an empty repository can be had",
				  "project '%s' is empty, and a bundle cannot be",
				  project_name(p));
	case EXPORT_FAILED:
		return cli_refuse("`frag fsck` says whether the project is damaged",
				  "git could not export '%s': %s", project_name(p), why.data);
	default:
		return CLI_FAILED;
	}
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	CLEANUP(free_p) char *cwd = NULL;
	CLEANUP(free_p) char *to = NULL;
	struct export_options o = {.bundle = args->values[OPTION_BUNDLE] != NULL,
				   .with_fragments = args->values[OPTION_FRAGMENTS] != NULL};
	size_t used = 0;
	int r = cli_open_store(cli, &st);

	if (!r)
		r = cli_project_arg(cli, st, args, &p, &used);
	if (r)
		return r;
	if (args->n_pos != used + 1)
		return cli_usage("frag export wants a project and where to");
	cwd = getcwd(NULL, 0);
	to = args->pos[used][0] == '/' ? alloc_str(args->pos[used])
				       : alloc_fmt("%s/%s", cwd ? cwd : "", args->pos[used]);
	o.to = to;
	return export_to(cli, p, &o);
}

static const struct cli_option options[] = {
	[OPTION_BUNDLE] = {0, "bundle", NULL, "one file that git can clone and fetch from"},
	[OPTION_FRAGMENTS] = {0, "fragments", NULL, "with refs/fragments/<number>"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_export = {
	.name = "export",
	.synopsis = "[<project>] <path> [--bundle]",
	.summary = "write a project as a plain git repository or bundle",
	.help = "A bare repository at a path that does not exist yet, with branches, tags and "
		"remotes; with --bundle one "
		"file. Either is whole or not there.\n"
		"\n"
		"  frag export shop /backup/shop.bundle --bundle",
	.options = options,
	.min_pos = 1,
	.max_pos = 2,
	.run = run,
};
