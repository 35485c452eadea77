/* tests/peers/toolbox_git_newer.c - git endpoints that Daytona has since its server was closed.
 *
 * Remotes, configuration, reset and restore. The older profile does not know them.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/peers/answer.h"
#include "tests/peers/daytona.h"
#include "tests/peers/git_inside.h"
#include "tests/peers/peer_private.h"

static bool is_known(struct request *r)
{
	if (!peer_has(r->peer, QUIRK_DAYTONA_S190))
		return true;
	reply_text(r, 404, "404 page not found");
	return false;
}

void toolbox_git_remotes(struct request *r)
{
	static const char text[] =
		"git remote | while read -r n; do "
		"printf '%s\\0%s\\0' \"$n\" \"$(git remote get-url \"$n\")\"; done";
	struct answer a;
	struct git g;

	if (!is_known(r))
		return;
	if (git_begin(&g, r, false) && git_run(&g, text)) {
		answer_begin(&a, '{');
		json_key_out(&a.out, "remotes");
		json_begin(&a.out, '[');
		for (char *at = g.out.data, *end = at + g.out.len; at < end;) {
			json_begin(&a.out, '{');
			json_str_field(&a.out, "name", at);
			at += strlen(at) + 1;
			json_str_field(&a.out, "url", at < end ? at : "");
			at += at < end ? strlen(at) + 1 : 0;
			json_end(&a.out, '}');
		}
		json_end(&a.out, ']');
		answer_send(r, &a, '}', 200);
	}
	git_end(&g);
}

void toolbox_git_remote_add(struct request *r)
{
	bool overwrite = false, fetch = false;
	struct git g;

	if (!is_known(r))
		return;
	if (git_begin(&g, r, true) && git_add_word(&g, "name", true) &&
	    git_add_word(&g, "url", true)) {
		(void)json_get_bool(g.doc, "overwrite", &overwrite);
		(void)json_get_bool(g.doc, "fetch", &fetch);
		g.args[g.n++] = overwrite ? "yes" : "";
		g.args[g.n++] = fetch ? "yes" : "";
		if (git_run(&g,
			    "if [ -n \"$3\" ]; then git remote remove \"$1\" 2>/dev/null; fi\n"
			    "git remote add -- \"$1\" \"$2\" && { [ -z \"$4\" ] || git fetch "
			    "-q \"$1\"; }"))
			reply_empty(r, 201);
	}
	git_end(&g);
}

void toolbox_git_reset(struct request *r)
{
	struct git g;

	if (!is_known(r))
		return;
	if (git_begin(&g, r, true) && git_add_word(&g, "mode", false) &&
	    git_add_word(&g, "target", false) && git_add_list(&g, "files", false) &&
	    git_run(&g, "case $1 in ''|soft|mixed|hard|merge|keep) ;; *) echo 'unknown mode' "
			">&2; exit 1;; esac\n"
			"m=$1 t=$2; shift 2\n"
			"if [ $# -gt 0 ]; then git reset -q \"${t:-HEAD}\" -- \"$@\"; "
			"else git reset -q \"--${m:-mixed}\" \"${t:-HEAD}\" --; fi"))
		reply_empty(r, 200);
	git_end(&g);
}

void toolbox_git_restore(struct request *r)
{
	bool staged = false, worktree = false;
	struct git g;

	if (!is_known(r))
		return;
	if (git_begin(&g, r, true) && git_add_word(&g, "source", false)) {
		(void)json_get_bool(g.doc, "staged", &staged);
		(void)json_get_bool(g.doc, "worktree", &worktree);
		g.args[g.n++] = staged ? "yes" : "";
		g.args[g.n++] = worktree || !staged ? "yes" : "";
		if (git_add_list(&g, "files", true) &&
		    git_run(&g, "s=$1 i=$2 w=$3; shift 3\n"
				"git restore -q ${s:+\"--source=$s\"} ${i:+--staged} "
				"${w:+--worktree} -- \"$@\""))
			reply_empty(r, 200);
	}
	git_end(&g);
}

/* `path` is needed only for the repository's own configuration. */
static const char scope[] = "case $1 in local) c() { git config --local \"$@\"; };; "
			    "*) c() { command git config --global \"$@\"; };; esac; shift\n";

/* Runs a script on the configuration of the scope, `key` and more words of the body. */
static void configure(struct request *r, const char *const *words, const char *text)
{
	struct buf whole;
	struct git g;
	bool ok;

	if (!is_known(r))
		return;
	ok = git_begin_anywhere(&g, r, true) && git_add_word(&g, "scope", false);
	for (size_t i = 0; ok && words[i]; i++)
		ok = git_add_word(&g, words[i], true);
	buf_init(&whole, 4096);
	(void)buf_str(&whole, scope);
	(void)buf_str(&whole, text);
	if (ok && git_run(&g, whole.data))
		reply_empty(r, 200);
	buf_deinit(&whole);
	git_end(&g);
}

void toolbox_git_config_set(struct request *r)
{
	static const char *const words[] = {"key", "value", NULL};

	configure(r, words, "c \"$1\" \"$2\"");
}

void toolbox_git_config_user(struct request *r)
{
	static const char *const words[] = {"name", "email", NULL};

	configure(r, words, "c user.name \"$1\" && c user.email \"$2\"");
}

void toolbox_git_config_get(struct request *r)
{
	const char *key = request_query(r, "key"), *where = request_query(r, "scope");
	struct answer a;
	struct git g;

	if (!is_known(r))
		return;
	if (git_begin_anywhere(&g, r, false) && key) {
		g.args[g.n++] = where && !strcmp(where, "local") ? "local" : "global";
		g.args[g.n++] = key;
		if (git_run(&g, "if [ \"$1\" = local ]; then git config --local --get \"$2\"; "
				"else command git config --global --get \"$2\"; fi; [ $? -le 1 "
				"]")) {
			while (g.out.len && g.out.data[g.out.len - 1] == '\n')
				g.out.data[--g.out.len] = '\0';
			answer_begin(&a, '{');
			json_str_field(&a.out, "key", key);
			if (g.out.len)
				json_str_field(&a.out, "value", g.out.data);
			answer_send(r, &a, '}', 200);
		}
	} else {
		toolbox_error(r, 400, "BAD_REQUEST", "bad request: key is required");
	}
	git_end(&g);
}
