/* frag completion: a script for the shell, from the verb table.
 *
 * The script holds the verbs and options as they were when it was printed; names of projects it asks for as they are needed, with
 * `frag completion projects`, which only reads a directory.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/project.h"
#include "store/store.h"
#include "tools/cli.h"
#include "tools/options.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct store *, store_close)

static void put_options(const struct cli_option *o)
{
	for (; o && o->name; o++) {
		(void)printf(" --%s", o->name);
		if (o->letter)
			(void)printf(" -%c", o->letter);
	}
}

/* The second words of a group, or nothing. */
static void put_seconds(const char *group)
{
	size_t len = strcspn(group, " ");

	for (const struct verb *const *v = verbs; *v; v++) {
		if (!strncmp((*v)->name, group, len) && (*v)->name[len] == ' ')
			(void)printf(" %s", (*v)->name + len + 1);
	}
}

static bool is_first_of_group(const struct verb *const *at)
{
	size_t len = strcspn((*at)->name, " ");

	for (const struct verb *const *v = verbs; v < at; v++) {
		if (!strncmp((*v)->name, (*at)->name, len) &&
		    ((*v)->name[len] == ' ' || !(*v)->name[len]))
			return false;
	}
	return true;
}

static void put_bash(void)
{
	(void)fputs("# bash completion of frag; made by `frag completion bash`\n"
		    "_frag() {\n"
		    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} words=\n"
		    "\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\twords='",
		    stdout);
	for (const struct verb *const *v = verbs; *v; v++) {
		if (is_first_of_group(v))
			(void)printf("%.*s ", (int)strcspn((*v)->name, " "), (*v)->name);
	}
	(void)fputs("'\n\telse\n\t\tcase $verb in\n", stdout);
	for (const struct verb *const *v = verbs; *v; v++) {
		if (!is_first_of_group(v))
			continue;
		(void)printf("\t\t%.*s) words='", (int)strcspn((*v)->name, " "), (*v)->name);
		put_seconds((*v)->name);
		put_options((*v)->options);
		put_options(options_common);
		(void)fputs("' ;;\n", stdout);
	}
	(void)fputs(
		"\t\tesac\n\t\tcase $cur in\n\t\t-*) ;;\n"
		"\t\t*) words=\"$words $(frag completion projects 2>/dev/null)\" ;;\n\t\tesac\n"
		"\tfi\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
		"complete -o default -F _frag frag\n",
		stdout);
}

static int put_name(const char *name, void *arg)
{
	(void)puts(name);
	return 0;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	int r;

	if (!strcmp(args->pos[0], "bash")) {
		put_bash();
		return CLI_DONE;
	}
	if (strcmp(args->pos[0], "projects"))
		return cli_refuse("`frag completion bash` is there", "no completion for '%s'",
				  args->pos[0]);
	r = cli_open_store(cli, &st);
	return r ? r : project_each(st, put_name, NULL);
}

const struct verb verb_completion = {
	.name = "completion",
	.synopsis = "bash",
	.summary = "print a script that completes verbs, options and projects",
	.help = "  . <(frag completion bash)",
	.min_pos = 1,
	.max_pos = 1,
	.run = run,
};
