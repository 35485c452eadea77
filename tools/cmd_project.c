/* frag project create, list, rename, delete.
 *
 * A project that cannot be opened is listed with what is wrong, because a list that leaves it out would hide the very thing
 * a person looks for. Deleting removes history for good: on a terminal it asks, elsewhere it wants --yes, and
 * a project whose sandbox still runs is not deleted from under it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "store/fragment.h"
#include "store/project.h"
#include "store/refresh.h"
#include "store/state.h"
#include "store/store.h"
#include "tools/cli.h"
#include "tools/exact.h"
#include "tools/term.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

static int refuse_name(const char *name)
{
	return cli_refuse(
		"names are 1 to 100 letters, digits, '.', '_' and '-', and do not begin with "
		"'.' or '-' nor end in .git or .lock",
		"'%s' is not a name a project can have", name);
}

static int report(const struct cli *cli, const char *key, const char *name)
{
	struct json_out o;

	if (!cli->json)
		return CLI_DONE;
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, key, name);
	json_end(&o, '}');
	return json_out_end(&o);
}

static int run_create(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	const char *name = args->pos[0];
	int r = cli_open_store(cli, &st);

	if (r)
		return r;
	r = project_create(st, name, &p);
	if (r == PROJECT_BAD_NAME)
		return refuse_name(name);
	if (r == PROJECT_EXISTS)
		return cli_refuse("choose another name", "there is a project '%s' already",
				  name);
	if (r)
		return CLI_FAILED;
	cli_changed(cli, NULL);
	return report(cli, "created", name);
}

const struct verb verb_project_create = {
	.name = "project create",
	.synopsis = "<name>",
	.summary = "make an empty project",
	.help = "A project is a bare repository: push to it with any git, or `frag import` "
		"into it.\n"
		"\n"
		"  git push $FRAG_HOME/projects/shop.git main",
	.min_pos = 1,
	.max_pos = 1,
	.run = run_create,
};

/* What a list shows of one project. */
struct row {
	const char *name, *wrong; /* `wrong`: why there is no more to say, or NULL */
	uint32_t fragments;
	struct project_head head;
	struct fragment last; /* of the head; seq 0: unborn */
};

struct flat {
	struct store *store;
	struct json_out *json; /* NULL: for people */
	struct term term;
	size_t n;
};

static const char *read_row(struct flat *l, const char *name, struct row *row)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct refresh_result now;
	int r = project_open(l->store, name, &p);

	if (r == PROJECT_BROKEN)
		return "not a git repository";
	if (r == PROJECT_MISSING || r == PROJECT_GONE)
		return "gone";
	if (r || refresh_project(p, NULL, NULL, &now) || fragment_count(p, &row->fragments) ||
	    project_head(p, &row->head))
		return "damaged";
	if (!oid_is_zero(&row->head.commit) &&
	    fragment_by_commit(p, &row->head.commit, &row->last))
		row->last.seq = 0;
	return NULL;
}

static const char *short_branch(const struct project_head *h)
{
	return strncmp(h->branch, "refs/heads/", 11) ? h->branch : h->branch + 11;
}

static void row_json(struct json_out *o, const struct row *row)
{
	json_begin(o, '{');
	json_str_field(o, "name", row->name);
	json_int_field(o, "fragments", row->fragments);
	exact_oid_field(o, "head", &row->head.commit);
	if (row->wrong) {
		json_str_field(o, "error", row->wrong);
	} else {
		json_str_field(o, "branch",
			       row->head.branch[0] ? short_branch(&row->head) : NULL);
		json_key_out(o, "head_seq");
		if (row->last.seq)
			json_put_int(o, row->last.seq);
		else
			json_put_null(o);
	}
	json_end(o, '}');
}

static void row_text(const struct flat *l, const struct row *row)
{
	char hex[OID_HEX_LEN + 1];

	term_start(&l->term, TERM_BOLD);
	(void)printf("%-24s", row->name);
	term_start(&l->term, TERM_PLAIN);
	if (row->wrong) {
		term_put(&l->term, TERM_RED, " ");
		term_put(&l->term, TERM_RED, row->wrong);
		(void)putchar('\n');
		return;
	}
	(void)printf(" %8" PRIu32 " fragment%s  ", row->fragments,
		     row->fragments == 1 ? " " : "s");
	term_put(&l->term, TERM_GREEN,
		 row->head.branch[0] ? short_branch(&row->head) : "(detached)");
	if (row->last.seq)
		(void)printf(" at %" PRIu32 " (%.12s)", row->last.seq,
			     oid_hex(&row->head.commit, hex));
	(void)putchar('\n');
}

static int list_one(const char *name, void *arg)
{
	struct flat *l = arg;
	struct row row = {.name = name};

	row.wrong = read_row(l, name, &row);
	l->n++;
	if (l->json)
		row_json(l->json, &row);
	else
		row_text(l, &row);
	return ferror(stdout);
}

static int run_list(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	struct flat l = {0};
	struct json_out o;
	int r = cli_open_store(cli, &st);

	if (r)
		return r;
	l.store = st;
	term_init(&l.term);
	if (cli->json) {
		json_out_file(&o, stdout);
		json_begin(&o, '[');
		l.json = &o;
	}
	r = project_each(st, list_one, &l);
	if (r)
		return CLI_FAILED;
	if (cli->json) {
		json_end(&o, ']');
		return json_out_end(&o);
	}
	if (!l.n && isatty(STDOUT_FILENO))
		(void)fputs("no projects; `frag import` or `frag project create` makes one\n",
			    stderr);
	return CLI_DONE;
}

const struct verb verb_project_list = {
	.name = "project list",
	.synopsis = "",
	.summary = "list the projects",
	.help = "Name, number of fragments, and where HEAD stands. With --json an array of "
		"objects with \"name\", "
		"\"fragments\", \"head\" (a commit, or null), \"branch\", \"head_seq\", or "
		"\"error\".",
	.run = run_list,
};

static int run_rename(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	const char *from = args->pos[0], *to = args->pos[1];
	int r = cli_open_store(cli, &st);

	if (!r)
		r = cli_open_project(cli, st, from, &p);
	if (r)
		return r;
	r = project_rename(st, from, to);
	if (r == PROJECT_BAD_NAME)
		return refuse_name(to);
	if (r == PROJECT_EXISTS)
		return cli_refuse("choose another name", "there is a project '%s' already", to);
	if (r)
		return CLI_FAILED;
	cli_changed(cli, NULL);
	return report(cli, "renamed", to);
}

const struct verb verb_project_rename = {
	.name = "project rename",
	.synopsis = "<name> <new name>",
	.summary = "give a project another name",
	.help = "Its fragments keep their numbers and its sandbox stays its own.",
	.min_pos = 2,
	.max_pos = 2,
	.run = run_rename,
};

static int confirm(const char *name, struct project *p, bool yes)
{
	CLEANUP(free_p) char *question = NULL;
	uint32_t n = 0;

	if (yes)
		return CLI_DONE;
	/* A damaged project has no count and can be deleted all the same. */
	if (p && fragment_count(p, &n))
		return CLI_FAILED;
	if (!term_can_ask())
		return cli_refuse("add --yes if that is what you want",
				  "deleting '%s' removes its %" PRIu32 " fragments for good",
				  name, n);
	question = alloc_fmt("Delete '%s' and its %" PRIu32 " fragments for good?", name, n);
	return term_confirm(question) ? CLI_DONE : cli_refuse(NULL, "nothing was deleted");
}

static int run_delete(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	const char *name = args->pos[0];
	struct state_sandbox sandbox;
	int r = cli_open_store(cli, &st);

	if (r)
		return r;
	if (project_open(st, name, &p) != PROJECT_BROKEN) {
		project_unref(TAKE(p));
		r = cli_open_project(cli, st, name, &p);
	}
	if (r)
		return r;
	if (p && !state_sandbox_get(st, project_id(p), &sandbox))
		return cli_refuse("`frag sandbox rm` removes it", "project '%s' has a sandbox",
				  name);
	r = confirm(name, p, args->values[0] != NULL);
	if (r)
		return r;
	if (project_delete(st, name))
		return CLI_FAILED;
	cli_changed(cli, NULL);
	return report(cli, "deleted", name);
}

static const struct cli_option delete_options[] = {
	{'y', "yes", NULL, "do not ask"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_project_delete = {
	.name = "project delete",
	.synopsis = "<name> [--yes]",
	.summary = "remove a project and its history for good",
	.help = "Asks on a terminal; elsewhere --yes is needed. `frag export` first, if in "
		"doubt.",
	.options = delete_options,
	.min_pos = 1,
	.max_pos = 1,
	.run = run_delete,
};
