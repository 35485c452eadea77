/* Asking the daemon for a work tree, or opening it here.
 *
 * Both run the same function on the same bytes, so a verb does not know who did it. What the answer is made of was written by
 * ourselves; a person sees it only through --json.
 */
#include "tools/work_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/project.h"
#include "store/store.h"
#include "store/worktree.h"
#include "store/worktree_git.h"
#include "tools/here.h"
#include "tools/identity.h"
#include "tools/work_ops.h"

enum { REQUEST_MAX = 1 << 20, REPLY_MAX = 16 << 20, PATIENCE_MS = 600000, WHY_MAX = 256 };

DEFINE_CLEANUP(struct project *, project_unref)

/* ---- which one ---- */

int work_call_init(struct work_call *c, struct cli *cli, const struct cli_args *args)
{
	const char *first = args->n_pos ? args->pos[0] : NULL;
	const char *colon = first ? strchr(first, ':') : NULL;
	CLEANUP(free_p) char *name = colon ? alloc_copy(first, (size_t)(colon - first)) : NULL;
	CLEANUP(free_p) char *here = here_work();
	const char *pos[] = {name && *name ? name : "."};
	struct cli_args named = {.pos = pos, .n_pos = 1};
	int r;

	c->cli = cli;
	buf_init(&c->request, REQUEST_MAX);
	buf_init(&c->reply, REPLY_MAX);
	r = cli_open_store(cli, &c->store);
	if (!r)
		r = cli_project_arg(cli, c->store, colon ? &named : args, &c->project,
				    &c->used);
	if (r)
		return r;
	c->used = colon ? 1 : c->used;
	/* Named without its work tree, another project than the one around us means its `live`. */
	if (colon && colon[1])
		(void)snprintf(c->work, sizeof(c->work), "%s", colon + 1);
	else
		(void)snprintf(c->work, sizeof(c->work), "%s",
			       here && !c->used ? here : WORKTREE_LIVE);
	return 0;
}

void work_call_deinit(struct work_call *c)
{
	if (c->answer)
		json_free(c->answer);
	buf_deinit(&c->request);
	buf_deinit(&c->reply);
	if (c->project)
		project_unref(c->project);
	if (c->store)
		store_close(c->store);
}

/* ---- asking ---- */

void work_call_begin(struct work_call *c, const char *what)
{
	buf_clear(&c->request);
	json_out_buf(&c->out, &c->request);
	json_begin(&c->out, '{');
	json_str_field(&c->out, "op", "work");
	json_str_field(&c->out, "do", what);
	json_str_field(&c->out, "project", project_name(c->project));
	json_str_field(&c->out, "work", c->work);
}

void work_call_author(struct work_call *c)
{
	struct commit_who who;

	identity_read(&who);
	json_key_out(&c->out, "author");
	json_begin(&c->out, '{');
	json_str_field(&c->out, "name", who.name);
	json_str_field(&c->out, "email", who.email);
	json_int_field(&c->out, "time", who.time);
	json_int_field(&c->out, "tz", who.tz);
	json_end(&c->out, '}');
	identity_deinit(&who);
}

static int refuse_missing(const struct work_call *c)
{
	return cli_refuse("`frag work list` shows those there are",
			  "project '%s' has no work tree '%s'", project_name(c->project),
			  c->work);
}

/* `live` is made when something first needs it. */
static int find(struct work_call *c, struct work_info *ret)
{
	struct work_spec spec = {.name = WORKTREE_LIVE, .uid = getuid(), .gid = getgid()};
	struct project_head head;
	int r = work_find(c->project, c->work, ret);

	if (r != WORK_MISSING || strcmp(c->work, WORKTREE_LIVE) != 0)
		return r;
	r = project_head(c->project, &head);
	if (!r)
		r = worktree_tree_of(c->project, &head.commit, &spec.tree);
	return r ? r : work_create(c->project, &spec, ret);
}

static int open_here(struct work_call *c, struct work **ret)
{
	struct work_info info;
	int r = find(c, &info);

	if (!r)
		r = work_open(c->project, &info, ret);
	switch (r) {
	case WORK_MISSING:
		return refuse_missing(c);
	case WORK_HELD:
		return cli_refuse("wait for it, or `frag unmount`",
				  "work tree '%s' is in use by another process", c->work);
	case WORK_NEWER:
		return cli_refuse("use the fragfs that wrote it",
				  "work tree '%s' was written by a newer fragfs", c->work);
	default:
		return r ? CLI_FAILED : CLI_DONE;
	}
}

static int run_here(struct work_call *c)
{
	CLEANUP(work_unrefp) struct work *w = NULL;
	struct work_ops ops = {0};
	struct json *request = NULL;
	struct json_out out;
	char why[WHY_MAX] = "";
	int r = open_here(c, &w);

	if (r)
		return r;
	if (json_parse(c->request.data, c->request.len, &request, why, sizeof(why)))
		return fail(-EINVAL, "read the request: %s", why);
	ops.work = w;
	json_out_buf(&out, &c->reply);
	json_begin(&out, '{');
	r = work_ops_run(&ops, request, &out);
	json_end(&out, '}');
	json_free(request);
	return r ? CLI_FAILED : CLI_DONE;
}

/* The writer breaks long lists into lines, the socket's documents are one line. */
static void one_line(struct buf *b)
{
	for (size_t i = 0; i < b->len; i++) {
		if (b->data[i] == '\n')
			b->data[i] = ' ';
	}
}

int work_call_run(struct work_call *c)
{
	char why[WHY_MAX] = "";
	const char *error = NULL;
	int r;

	json_end(&c->out, '}');
	one_line(&c->request);
	buf_clear(&c->reply);
	if (c->answer)
		json_free(TAKE(c->answer));
	r = cli_ask_daemon(c->cli, c->request.data, &c->reply, PATIENCE_MS);
	if (r == CLI_NO_DAEMON)
		r = run_here(c);
	if (r)
		return r < 0 ? CLI_FAILED : r;
	if (json_parse(c->reply.data, c->reply.len, &c->answer, why, sizeof(why)))
		return cli_refuse(NULL, "the daemon's answer makes no sense: %s", why);
	if (json_get_str(c->answer, "error", &error) == 0)
		return cli_refuse("the daemon's log says more: run/log in the home", "%s",
				  error);
	return 0;
}

/* ---- the answer ---- */

int64_t work_call_int(const struct work_call *c, const char *key)
{
	int64_t v = 0;

	(void)json_get_int(c->answer, key, &v);
	return v;
}

const char *work_call_str(const struct work_call *c, const char *key)
{
	const char *v = "";

	(void)json_get_str(c->answer, key, &v);
	return v;
}

bool work_call_bool(const struct work_call *c, const char *key)
{
	bool v = false;

	(void)json_get_bool(c->answer, key, &v);
	return v;
}

void work_call_print(const struct work_call *c)
{
	printf("%s%s", c->reply.data,
	       c->reply.len && c->reply.data[c->reply.len - 1] == '\n' ? "" : "\n");
}

int work_call_outcome(const struct work_call *c, const char *verb, bool *nothing)
{
	const char *word = work_call_str(c, "outcome");

	if (!strcmp(word, "done"))
		return CLI_DONE;
	if (!strcmp(word, "nothing") && nothing) {
		*nothing = true;
		return CLI_DONE;
	}
	if (!strcmp(word, "missing"))
		return refuse_missing(c);
	if (!strcmp(word, "nothing"))
		return cli_refuse("`frag op log` shows what was done",
				  "there is nothing to %s in '%s'", verb, c->work);
	if (!strcmp(word, "moved"))
		return cli_refuse("`frag checkout` that branch to go on from there (what is "
				  "uncommitted is kept for `frag undo`), or commit on a branch "
				  "of your own: `git switch -c NAME`",
				  "the branch of '%s' was moved by somebody else: nothing was "
				  "changed",
				  c->work);
	if (!strcmp(word, "unfinished"))
		return cli_refuse("finish it or give it up with git, inside the work tree",
				  "git is in the middle of something in '%s'", c->work);
	if (!strcmp(word, "unmerged"))
		return cli_refuse("edit them and `git add` each, or `frag merge --abort`",
				  "there are conflicts left in '%s'", c->work);
	return cli_refuse("`frag fsck` says more", "what '%s' needs is missing", c->work);
}
