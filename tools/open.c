/* Opening the home and a project for a verb, with the words that a person needs when that fails.
 *
 * A fault was said where it was born and only becomes an exit status here; the outcomes that store's headers
 * name get their sentence and what to do next.
 */
#include "tools/cli.h"

#include "base/buf.h"
#include "store/project.h"
#include "store/refresh.h"
#include "store/store.h"
#include "tools/closest.h"

DEFINE_CLEANUP(struct project *, project_unref)

enum { SUGGESTION_MAX = 1024 };

int cli_open_store(struct cli *cli, struct store **ret)
{
	int r = store_open(cli->home, ret);

	switch (r) {
	case 0:
		return CLI_DONE;
	case STORE_ABSENT:
		return cli_refuse(
			"`frag init` makes it one; --home DIR or $FRAG_HOME name another",
			"'%s' is not a fragfs home", cli->home);
	case STORE_NEWER:
		return cli_refuse(
			"use the fragfs that wrote it, or name another home with --home",
			"the home '%s' was written by a newer fragfs", cli->home);
	default:
		return CLI_FAILED;
	}
}

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

int cli_open_project(struct cli *cli, struct store *st, const char *name, struct project **ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct refresh_result now;
	int r = project_open(st, name, &p);

	if (!r)
		r = refresh_project(p, NULL, NULL, &now);
	if (r)
		return refuse_project(st, name, r);
	*ret = TAKE(p);
	return CLI_DONE;
}
