/* tests/peers/toolbox_git.c - Daytona's git endpoints, by git inside the sandbox.
 *
 * The real daemon uses a library for most of them; what its answers mean is kept, what its library cannot do is
 * not. Words of a client's are arguments, behind `--` wherever git takes options. A password travels in the environment
 * of the one git that needs it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/peers/answer.h"
#include "tests/peers/daytona.h"
#include "tests/peers/git_inside.h"
#include "tests/peers/peer_private.h"

void toolbox_git_clone(struct request *r)
{
	static const char *const words[] = {"url",      "branch",   "commit_id",
					    "username", "password", NULL};

	git_simple(r, words, 1,
		   "if [ -n \"$4\" ]; then export GIT_CONFIG_COUNT=1 "
		   "GIT_CONFIG_KEY_0=http.extraHeader "
		   "GIT_CONFIG_VALUE_0=\"Authorization: Basic $(printf %s \"$4:$5\" | base64 "
		   "-w0)\"; fi\n"
		   "command git clone -q ${2:+--branch \"$2\"} -- \"$1\" \"$d\" && "
		   "{ [ -z \"$3\" ] || git checkout -q --detach \"$3\" --; }",
		   200);
}

void toolbox_git_init(struct request *r)
{
	static const char *const words[] = {"initial_branch", NULL};

	git_simple(r, words, 0, "command git init -q ${1:+-b \"$1\"} -- \"$d\"", 201);
}

void toolbox_git_branch_create(struct request *r)
{
	static const char *const words[] = {"name", NULL};

	/* The last public server also checked it out. */
	git_simple(r, words, 1,
		   peer_has(r->peer, QUIRK_DAYTONA_S190) ? "git checkout -q -b \"$1\" --"
							 : "git branch -- \"$1\"",
		   201);
}

void toolbox_git_branch_delete(struct request *r)
{
	static const char *const words[] = {"name", NULL};

	git_simple(r, words, 1, "git branch -q -D -- \"$1\" || :", 204);
}

void toolbox_git_checkout(struct request *r)
{
	static const char *const words[] = {"branch", NULL};

	git_simple(r, words, 1, "git checkout -q \"$1\" --", 200);
}

void toolbox_git_pull(struct request *r)
{
	static const char *const words[] = {"remote", "branch", NULL};

	git_simple(r, words, 0, "git pull -q --ff-only ${1:+\"$1\"} ${2:+\"$2\"}", 200);
}

void toolbox_git_push(struct request *r)
{
	static const char *const words[] = {"remote", "branch", NULL};

	git_simple(r, words, 0, "git push -q \"${1:-origin}\" \"${2:-HEAD}\"", 200);
}

void toolbox_git_add(struct request *r)
{
	struct git g;

	if (git_begin(&g, r, true) && git_add_list(&g, "files", true) &&
	    git_run(&g, "git add -- \"$@\""))
		reply_empty(r, 200);
	git_end(&g);
}

static void trim(struct buf *b)
{
	while (b->len && b->data[b->len - 1] == '\n')
		b->data[--b->len] = '\0';
}

void toolbox_git_commit(struct request *r)
{
	static const char text[] = "git -c user.name=\"$2\" -c user.email=\"$3\" commit -q "
				   "${4:+--allow-empty} -m \"$1\" && "
				   "git rev-parse HEAD";
	bool empty = false;
	struct answer a;
	struct git g;

	if (git_begin(&g, r, true) && git_add_word(&g, "message", true) &&
	    git_add_word(&g, "author", true) && git_add_word(&g, "email", true)) {
		(void)json_get_bool(g.doc, "allow_empty", &empty);
		g.args[g.n++] = empty ? "yes" : "";
		if (git_run(&g, text)) {
			trim(&g.out);
			answer_begin(&a, '{');
			json_str_field(&a.out, "hash", g.out.data);
			answer_send(r, &a, '}', 200);
		}
	}
	git_end(&g);
}

void toolbox_git_branches(struct request *r)
{
	static const char text[] = "git symbolic-ref -q --short HEAD || echo HEAD; "
				   "git for-each-ref --format='%(refname:short)' refs/heads";
	char *at, *line, *current = NULL;
	struct answer a;
	struct git g;

	if (git_begin(&g, r, false) && git_run(&g, text)) {
		trim(&g.out);
		at = g.out.data;
		current = strsep(&at, "\n");
		answer_begin(&a, '{');
		json_key_out(&a.out, "branches");
		json_begin(&a.out, '[');
		while ((line = strsep(&at, "\n")))
			json_put_str(&a.out, line);
		json_end(&a.out, ']');
		if (!peer_has(r->peer, QUIRK_DAYTONA_S190))
			json_str_field(&a.out, "current", current);
		answer_send(r, &a, '}', 200);
	}
	git_end(&g);
}

/* Records of NUL-ended fields. */
void toolbox_git_history(struct request *r)
{
	static const char *const keys[] = {"hash", "author", "email", "message"};
	struct answer a;
	struct git g;

	if (git_begin(&g, r, false) &&
	    git_run(&g, "git log -z --format='%H%x00%an%x00%ae%x00%s%x00%cI'")) {
		answer_begin(&a, '[');
		for (char *at = g.out.data, *end = at + g.out.len; at < end;) {
			json_begin(&a.out, '{');
			for (size_t i = 0; i < 4 && at < end; i++, at += strlen(at) + 1)
				json_str_field(&a.out, keys[i], at);
			if (at < end)
				json_str_field(&a.out, "timestamp", at);
			at += at < end ? strlen(at) + 1 : 0;
			json_end(&a.out, '}');
		}
		answer_send(r, &a, ']', 200);
	}
	git_end(&g);
}

static const char *status_word(char c)
{
	switch (c) {
	case 'M':
	case 'T':
		return "Modified";
	case 'A':
		return "Added";
	case 'D':
		return "Deleted";
	case 'R':
		return "Renamed";
	case 'C':
		return "Copied";
	case 'U':
		return "Updated but unmerged";
	case '?':
		return "Untracked";
	default:
		return "Unmodified";
	}
}

/* "## main...origin/main [ahead 1, behind 2]", "## main", "## HEAD (no branch)", "## No commits yet on main" */
static void put_head(struct json_out *o, char *line, bool more)
{
	static const char unborn[] = "No commits yet on ";
	char *name = line + 3, *dots, *counts;
	const char *ahead, *behind;

	if (!strncmp(name, unborn, sizeof(unborn) - 1))
		name += sizeof(unborn) - 1;
	counts = strstr(name, " [");
	ahead = counts ? strstr(counts, "ahead ") : NULL;
	behind = counts ? strstr(counts, "behind ") : NULL;
	json_int_field(o, "ahead", ahead ? (int64_t)strtoull(ahead + 6, NULL, 10) : 0);
	json_int_field(o, "behind", behind ? (int64_t)strtoull(behind + 7, NULL, 10) : 0);
	dots = strstr(name, "...");
	json_bool_field(o, "branchPublished", dots);
	if (dots)
		*dots = '\0';
	name[strcspn(name, " ")] = '\0';
	json_str_field(o, "currentBranch", name);
	if (more)
		json_bool_field(o, "detached", !strcmp(name, "HEAD"));
}

void toolbox_git_status(struct request *r)
{
	struct answer a;
	struct git g;

	if (git_begin(&g, r, false) &&
	    git_run(&g, "git status -z --porcelain=v1 -b --untracked-files=all")) {
		char *at = g.out.data, *end = at + g.out.len;

		answer_begin(&a, '{');
		if (at < end) {
			size_t len = strlen(at);

			put_head(&a.out, at, !peer_has(r->peer, QUIRK_DAYTONA_S190));
			at += len + 1;
		}
		json_key_out(&a.out, "fileStatus");
		json_begin(&a.out, '[');
		while (at + 3 < end) {
			bool moved = at[0] == 'R' || at[0] == 'C';
			const char *name = at + 3;

			json_begin(&a.out, '{');
			json_str_field(&a.out, "name", name);
			json_str_field(&a.out, "staging", status_word(at[0]));
			json_str_field(&a.out, "worktree", status_word(at[1]));
			at += strlen(at) + 1;
			json_str_field(&a.out, "extra", moved && at < end ? at : "");
			if (moved && at < end)
				at += strlen(at) + 1;
			json_end(&a.out, '}');
		}
		json_end(&a.out, ']');
		answer_send(r, &a, '}', 200);
	}
	git_end(&g);
}
