/* tests/peers/git_inside.c - a script, its words, and what git's own words mean as a status.
 *
 * Words of a client's are arguments, never text of a script. A repository is found where the client says and
 * nowhere above it.
 */
#include "tests/peers/git_inside.h"

#include <string.h>

#include "tests/peers/daytona.h"
#include "tests/peers/script.h"

static const char *path_of(struct git *g, struct request *r, bool has_body)
{
	const char *path = NULL;

	*g = (struct git){.r = r};
	buf_init(&g->path, 4 * REQUEST_PATH_MAX);
	buf_init(&g->out, SCRIPT_OUT_MAX);
	buf_init(&g->err, SCRIPT_ERR_MAX);
	if (!has_body)
		return request_query(r, "path");
	g->doc = request_json(r);
	if (g->doc)
		(void)json_get_str(g->doc, "path", &path);
	return path;
}

bool git_begin(struct git *g, struct request *r, bool has_body)
{
	const char *path = path_of(g, r, has_body);

	if (!path) {
		toolbox_error(r, 400, "INVALID_REQUEST_BODY", "bad request: path is required");
		return false;
	}
	(void)toolbox_path(&g->path, path);
	g->args[g->n++] = g->path.data;
	return true;
}

bool git_begin_anywhere(struct git *g, struct request *r, bool has_body)
{
	(void)toolbox_path(&g->path, path_of(g, r, has_body));
	g->args[g->n++] = g->path.data;
	if (!has_body || g->doc)
		return true;
	toolbox_error(r, 400, "INVALID_REQUEST_BODY", "bad request: the body is no JSON");
	return false;
}

void git_end(struct git *g)
{
	buf_deinit(&g->path);
	buf_deinit(&g->out);
	buf_deinit(&g->err);
}

bool git_add_word(struct git *g, const char *key, bool needed)
{
	const char *word = NULL;

	(void)json_get_str(g->doc, key, &word);
	if (!word && needed) {
		toolbox_error(g->r, 400, "INVALID_REQUEST_BODY", "bad request: %s is required",
			      key);
		return false;
	}
	g->args[g->n++] = word ? word : "";
	return true;
}

bool git_add_list(struct git *g, const char *key, bool needed)
{
	const struct json *list = NULL;

	(void)json_get(g->doc, key, &list);
	if (needed && (!list || !json_count(list))) {
		toolbox_error(g->r, 400, "INVALID_REQUEST_BODY", "bad request: %s is required",
			      key);
		return false;
	}
	for (const struct json *v = list ? json_first(list) : NULL; v; v = json_next(v))
		if (json_str(v) && g->n < GIT_WORDS_MAX - 1)
			g->args[g->n++] = json_str(v);
	return true;
}

static const struct {
	const char *says;
	unsigned status;
	const char *code;
} refusals[] = {
	{"not a git repository", 404, "GIT_REPO_NOT_FOUND"},
	{"does not exist", 404, "GIT_REPO_NOT_FOUND"},
	{"cannot change to", 404, "GIT_REPO_NOT_FOUND"},
	{"did not match", 404, "GIT_BRANCH_NOT_FOUND"},
	{"not found", 404, "GIT_BRANCH_NOT_FOUND"},
	{"not an empty directory", 409, "CONFLICT"},
	{"already exists", 409, "GIT_BRANCH_EXISTS"},
	{"would be overwritten", 409, "GIT_DIRTY_WORKTREE"},
	{"rejected", 409, "GIT_PUSH_REJECTED"},
	{"Authentication failed", 401, "GIT_AUTH_FAILED"},
	{"could not read Username", 401, "GIT_AUTH_FAILED"},
	{"nothing to commit", 500, "INTERNAL_SERVER_ERROR"},
};

static void git_refuse(struct git *g)
{
	const char *code = "INTERNAL_SERVER_ERROR";
	unsigned status = 500;

	(void)buf_add(&g->err, g->out.data, g->out.len);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]) && status == 500; i++)
		if (strstr(g->err.data, refusals[i].says)) {
			status = refusals[i].status;
			code = refusals[i].code;
		}
	toolbox_error(g->r, status, code, "%s", script_words(&g->err));
}

bool git_run(struct git *g, const char *text)
{
	static const char before[] = "export GIT_TERMINAL_PROMPT=0 LC_ALL=C; git() { command "
				     "git -C \"$d\" \"$@\"; }; d=$1; shift\n";
	struct buf whole;
	bool ok;

	buf_init(&whole, 64 << 10);
	(void)buf_str(&whole, before);
	(void)buf_str(&whole, text);
	g->args[g->n] = NULL;
	ok = !script_run(g->r->guest, &(struct script){.text = whole.data,
						       .args = g->args,
						       .out = &g->out,
						       .err = &g->err});
	buf_deinit(&whole);
	if (!ok)
		git_refuse(g);
	return ok;
}

void git_simple(struct request *r, const char *const *words, unsigned n_needed,
		const char *text, unsigned status)
{
	struct git g;
	bool ok = git_begin(&g, r, true);

	for (unsigned i = 0; ok && words[i]; i++)
		ok = git_add_word(&g, words[i], i < n_needed);
	if (ok && git_run(&g, text))
		reply_empty(r, status);
	git_end(&g);
}
