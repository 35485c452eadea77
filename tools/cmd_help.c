/* frag help, frag manual: the verb table, for people and for man(1).
 *
 * `manual` is what the build runs to make the pages that are installed: with a directory it writes one
 * page per verb, so that a verb that is added to the table has a page by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "tools/cli.h"
#include "tools/help.h"
#include "tools/verbs.h"

static const struct verb *find(const char *name)
{
	for (const struct verb *const *v = verbs; *v; v++) {
		if (!strcmp((*v)->name, name))
			return *v;
	}
	return NULL;
}

static char *joined(const struct cli_args *args)
{
	if (args->n_pos == 2)
		return alloc_fmt("%s %s", args->pos[0], args->pos[1]);
	return alloc_str(args->pos[0]);
}

static int run_help(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(free_p) char *name = NULL;
	const struct verb *v;

	if (!args->n_pos) {
		help_overview(stdout);
		return CLI_DONE;
	}
	name = joined(args);
	v = find(name);
	if (v) {
		help_verb(stdout, v);
		return CLI_DONE;
	}
	if (help_group(NULL, name)) {
		(void)printf("usage:\n");
		(void)help_group(stdout, name);
		return CLI_DONE;
	}
	return cli_refuse("`frag help` lists the verbs", "there is no verb '%s'", name);
}

const struct verb verb_help = {
	.name = "help",
	.synopsis = "[<verb>]",
	.summary = "explain frag, or one of its verbs",
	.max_pos = 2,
	.run = run_help,
};

static int write_page(const char *dir, const struct verb *v)
{
	CLEANUP(free_p)
	char *path = alloc_fmt("%s/frag%s%s.1", dir, v ? "-" : "", v ? v->name : "");
	CLEANUP(fclosep) FILE *f = NULL;

	for (char *c = path + strlen(dir); *c; c++) {
		if (*c == ' ')
			*c = '-';
	}
	f = fopen(path, "we");
	if (!f)
		return cli_refuse(NULL, "cannot write '%s': %m", path);
	help_manual(f, v);
	/* For everybody to read, whatever we keep to ourselves otherwise. */
	(void)fchmod(fileno(f), 0644);
	return fflush(f) ? cli_refuse(NULL, "cannot write '%s': %m", path) : CLI_DONE;
}

static int run_manual(struct cli *cli, const struct cli_args *args)
{
	const struct verb *v = args->n_pos ? find(args->pos[0]) : NULL;
	int r;

	if (!args->values[0]) {
		if (args->n_pos && !v)
			return cli_refuse("`frag help` lists the verbs",
					  "there is no verb '%s'", args->pos[0]);
		help_manual(stdout, v);
		return CLI_DONE;
	}
	r = write_page(args->values[0], NULL);
	for (const struct verb *const *at = verbs; !r && *at; at++)
		r = write_page(args->values[0], *at);
	return r;
}

static const struct cli_option manual_options[] = {
	{0, "into", "DIR", "write the pages of all verbs into DIR"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_manual = {
	.name = "manual",
	.synopsis = "[<verb>] | --into DIR",
	.summary = "print a manual page",
	.help = "Prints the page of the program or of a verb in man(7); made for the build.\n"
		"\n"
		"  frag manual log | man -l -",
	.options = manual_options,
	.max_pos = 1,
	.run = run_manual,
	.hidden = true,
};
