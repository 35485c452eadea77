/* Finding the project and the version a person means, with helpful words when there is none.
 *
 * A fault was said where it was born and only becomes an exit status here; the outcomes that store's headers
 * name get their sentence and what to do next.
 */
#include "tools/cli.h"

#include <string.h>

#include "base/buf.h"
#include "store/project.h"
#include "store/refresh.h"
#include "store/revision.h"
#include "store/store.h"
#include "tools/closest.h"

DEFINE_CLEANUP(struct project *, project_unref)

enum { SUGGESTION_MAX = 1024 };

static int offer(const char *name, void *arg)
{
	closest_offer(arg, name);
	return 0;
}

static int refuse_missing(struct store *st, const char *name)
{
	CLEANUP(buf_deinit) struct buf hint;
	struct closest near;

	buf_init(&hint, SUGGESTION_MAX);
	closest_init(&near, name);
	(void)project_each(st, offer, &near);
	if (near.n) {
		(void)buf_str(&hint, "did you mean ");
		closest_words(&near, &hint);
		(void)buf_str(&hint, "?");
	} else {
		(void)buf_str(&hint, "`frag project list` shows those there are");
	}
	return cli_refuse(hint.data, "there is no project '%s'", name);
}

static int refuse_project(struct store *st, const char *name, int r)
{
	if (r == PROJECT_MISSING)
		return refuse_missing(st, name);
	if (r == PROJECT_BAD_NAME)
		return cli_refuse(
			"names are 1 to 100 letters, digits, '.', '_' and '-', and do not "
			"begin with '.' or '-' nor end in .git or .lock",
			"'%s' is not a name a project can have", name);
	if (r == PROJECT_BROKEN)
		return cli_refuse("`frag fsck` says more; `git fsck` in it may help",
				  "the repository of project '%s' is damaged", name);
	if (r == PROJECT_GONE)
		return cli_refuse("`frag project list` shows those there are",
				  "the repository of project '%s' has just vanished", name);
	return CLI_FAILED;
}

static void show_numbering(const char *phase, uint64_t done, uint64_t total, void *arg)
{
	progress_at(arg, phase, done, total);
}

/* A repository that plain git has filled may have very much to be numbered. */
static int refresh(struct cli *cli, struct project *p)
{
	struct progress *bar = progress_new(cli, project_name(p));
	struct refresh_result now;
	int r = refresh_project(p, show_numbering, bar, &now);

	progress_free(bar);
	return r;
}

int cli_open_project(struct cli *cli, struct store *st, const char *name, struct project **ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	int r = project_open(st, name, &p);

	if (!r)
		r = refresh(cli, p);
	if (r)
		return refuse_project(st, name, r);
	*ret = TAKE(p);
	return CLI_DONE;
}

int cli_project_arg(struct cli *cli, struct store *st, const struct cli_args *args,
		    struct project **ret, size_t *used)
{
	const char *name = args->n_pos ? args->pos[0] : NULL;
	bool dot = name && !strcmp(name, ".");
	CLEANUP(free_p) char *here = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	int r = name && !dot ? project_open(st, name, &p) : PROJECT_MISSING;

	*used = name ? 1 : 0;
	if (r == PROJECT_MISSING || r == PROJECT_BAD_NAME)
		here = cli_project_here(cli);
	if (here) {
		*used = dot ? 1 : 0;
		return cli_open_project(cli, st, here, ret);
	}
	if (!name || dot)
		return cli_refuse("name one, or change into its directory in the mount",
				  "no project is named");
	if (!r)
		r = refresh(cli, p);
	if (r)
		return refuse_project(st, name, r);
	*ret = TAKE(p);
	return CLI_DONE;
}

int cli_revision(struct project *p, const char *rev, struct oid *ret)
{
	int r = revision_resolve(p, rev, ret);

	switch (r) {
	case 0:
		return CLI_DONE;
	case REVISION_MISSING:
		return cli_refuse("`frag log`, `frag branch list` and `frag tag list` show "
				  "those there are",
				  "project '%s' has no version '%s'", project_name(p), rev);
	case REVISION_AMBIGUOUS:
		return cli_refuse("write more digits of it",
				  "'%s' is the start of several ids in "
				  "project '%s'",
				  rev, project_name(p));
	case REVISION_BAD:
		return cli_refuse(
			"a number, a branch, a tag, a hash, a date or what git understands",
			"'%s' is not the name of a version", rev);
	default:
		return CLI_FAILED;
	}
}
