/* frag show: one fragment, or one file of it.
 *
 * `show P REV` says what the fragment is and what it changed; `show P REV:path` prints the file's bytes as they are (a
 * directory is listed). Bytes are written in chunks, so a file of any size passes through a small buffer; in JSON a file has a
 * ceiling, since a JSON string cannot be read in parts.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "store/blob.h"
#include "store/commit.h"
#include "store/fragment.h"
#include "store/project.h"
#include "store/store.h"
#include "store/tree.h"
#include "tools/changes.h"
#include "tools/cli.h"
#include "tools/describe.h"
#include "tools/exact.h"
#include "tools/files.h"
#include "tools/term.h"
#include "tools/verbs.h"

DEFINE_CLEANUP(struct commit *, commit_free)
DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

enum { OPTION_PATCH, OPTION_STAT, OPTION_FILES };
enum { CHUNK = 1 << 16, JSON_CONTENT_MAX = 64 << 20 };

struct show {
	struct cli *cli;
	struct project *project;
	const struct cli_args *args;
	struct commit *commit;
	struct fragment fragment;
};

static int parent_tree(const struct show *s, struct oid *ret)
{
	CLEANUP(commit_freep) struct commit *parent = NULL;

	memset(ret, 0, sizeof(*ret));
	if (!s->commit->n_parents)
		return CLI_DONE;
	/* Cut off by a shallow clone: everything is new then, as git shows it. */
	if (commit_read(s->project, &s->commit->parents[0], &parent) < 0)
		return CLI_FAILED;
	if (parent)
		*ret = parent->tree;
	return CLI_DONE;
}

static int fragment_json(const struct show *s, const struct changes *c,
			 const struct describe_refs *refs)
{
	struct json_out o;
	int r;

	json_out_file(&o, stdout);
	json_begin(&o, '{');
	describe_json(&o, &s->fragment, s->commit, refs);
	exact_field(&o, "message", s->commit->message, strlen(s->commit->message));
	json_key_out(&o, "changes");
	r = changes_json(c, &o);
	if (!r && s->args->values[OPTION_FILES]) {
		json_key_out(&o, "files");
		r = files_json(s->project, &s->commit->tree, &o);
	}
	if (!r && s->args->values[OPTION_PATCH])
		r = changes_json_patch(c, &o);
	json_end(&o, '}');
	return r ? r : json_out_end(&o);
}

static int fragment_text(const struct show *s, const struct changes *c,
			 const struct describe_refs *refs)
{
	struct term t;

	term_init(&t);
	describe_full(&t, &s->fragment, s->commit, refs);
	(void)putchar('\n');
	if (s->args->values[OPTION_FILES])
		return files_print(s->project, &s->commit->tree);
	if (s->args->values[OPTION_PATCH])
		return changes_print_patch(c);
	if (s->args->values[OPTION_STAT])
		return changes_print_stat(c);
	return changes_print_names(c, false);
}

static int show_fragment(struct show *s)
{
	struct changes c = {.project = s->project, .to = s->commit->tree};
	struct describe_refs refs;
	int r = parent_tree(s, &c.from);

	if (r)
		return r;
	r = describe_refs_load(s->project, &refs);
	if (!r && s->cli->json)
		r = fragment_json(s, &c, &refs);
	else if (!r)
		r = fragment_text(s, &c, &refs);
	describe_refs_free(&refs);
	return r;
}

static int write_blob(struct project *p, const struct tree_entry *e, const char *path)
{
	CLEANUP(free_p) char *chunk = alloc_zero(CHUNK);
	uint64_t at = 0;

	for (;;) {
		ssize_t n = blob_pread(p, &e->oid, chunk, CHUNK, at);

		if (n == -EFBIG)
			return cli_refuse("read it with git: `git cat-file`",
					  "'%s' is larger than 2 GiB", path);
		if (n < 0)
			return cli_refuse("`frag fsck` says more", "'%s' cannot be read", path);
		if (!n || fwrite(chunk, 1, (size_t)n, stdout) != (size_t)n)
			return CLI_DONE;
		at += (uint64_t)n;
	}
}

static int blob_json(struct project *p, const struct tree_entry *e, const char *path)
{
	CLEANUP(buf_deinit) struct buf content;
	struct json_out o;
	int r;

	buf_init(&content, JSON_CONTENT_MAX);
	r = blob_read(p, &e->oid, &content);
	if (r == -E2BIG || r == -EFBIG)
		return cli_refuse("leave --json out: then it is written as it is",
				  "'%s' is too large for JSON", path);
	if (r)
		return cli_refuse("`frag fsck` says more", "'%s' cannot be read", path);
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	exact_field(&o, "path", path, strlen(path));
	files_entry_json(&o, e);
	exact_field(&o, "content", content.data, content.len);
	json_end(&o, '}');
	return json_out_end(&o);
}

static int show_directory(struct show *s, const struct oid *tree)
{
	struct json_out o;
	int r;

	if (!s->cli->json)
		return files_print_directory(s->project, tree);
	json_out_file(&o, stdout);
	r = files_json(s->project, tree, &o);
	return r ? r : json_out_end(&o);
}

static int show_path(struct show *s, const char *path)
{
	struct tree_entry e;
	int r = tree_lookup(s->project, &s->commit->tree, path, &e);

	switch (r) {
	case 0:
		break;
	case TREE_NO_ENTRY:
		return cli_refuse("`frag show --files` lists its files",
				  "there is no '%s' in fragment %" PRIu32, path,
				  s->fragment.seq);
	case TREE_MISSING:
	case TREE_CORRUPT:
		return cli_refuse("`frag fsck` says more",
				  "a directory above '%s' is missing or damaged", path);
	default:
		return CLI_FAILED;
	}
	if (e.mode == MODE_TREE)
		return show_directory(s, &e.oid);
	if (e.mode == MODE_GITLINK)
		return cli_refuse("its files are in another repository", "'%s' is a submodule",
				  path);
	return s->cli->json ? blob_json(s->project, &e, path)
			    : write_blob(s->project, &e, path);
}

static bool is_time(const char *text, size_t len)
{
	CLEANUP(free_p) char *copy = alloc_copy(text, len);
	int64_t t;
	int tz;

	return !clock_parse(copy, &t, &tz);
}

/* The colon that begins a path, or NULL. Not every colon does: `seq:42`, `HEAD^{/a:b}` and times have their own. */
static const char *path_colon(const char *rev)
{
	const char *brace = strrchr(rev, '}'), *from = brace ? brace : rev;

	if (is_time(rev, strlen(rev)))
		return NULL;
	for (const char *c = rev + strlen(rev); c-- > rev;) {
		if (*c == ':' && is_time(rev, (size_t)(c - rev)))
			return c;
	}
	if (!strncmp(from, "seq:", 4))
		from += 4;
	return strchr(from, ':');
}

static int show_revision(struct show *s, const char *rev)
{
	const char *colon = path_colon(rev);
	CLEANUP(free_p)
	char *name = colon ? alloc_copy(rev, (size_t)(colon - rev)) : alloc_str(rev);
	struct oid id;
	int r;

	r = cli_revision(s->project, *name ? name : "HEAD", &id);
	if (r)
		return r;
	r = commit_read(s->project, &id, &s->commit);
	if (r)
		return cli_refuse("`frag fsck` says more", "the commit of '%s' cannot be read",
				  name);
	r = fragment_by_commit(s->project, &id, &s->fragment);
	if (r < 0)
		return CLI_FAILED;
	if (r == FRAGMENT_MISSING) {
		s->fragment.commit = id;
		s->fragment.tree = s->commit->tree;
		s->fragment.time = s->commit->committer.time;
		s->fragment.tz = s->commit->committer.tz;
	}
	return colon ? show_path(s, colon + 1) : show_fragment(s);
}

static int run(struct cli *cli, const struct cli_args *args)
{
	CLEANUP(store_closep) struct store *st = NULL;
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct show s = {.cli = cli, .args = args};
	size_t used = 0;
	int r = cli_open_store(cli, &st);

	if (!r)
		r = cli_project_arg(cli, st, args, &p, &used);
	if (r)
		return r;
	if (args->n_pos > used + 1)
		return cli_usage("one argument too many: '%s'", args->pos[used + 1]);
	s.project = p;
	r = show_revision(&s, args->n_pos > used ? args->pos[used] : "HEAD");
	commit_free(s.commit);
	return r;
}

static const struct cli_option options[] = {
	[OPTION_PATCH] = {'p', "patch", NULL, "the patch against its first parent"},
	[OPTION_STAT] = {0, "stat", NULL, "count changed lines"},
	[OPTION_FILES] = {0, "files", NULL, "all its files, with size and mode"},
	{0, NULL, NULL, NULL},
};

const struct verb verb_show = {
	.name = "show",
	.synopsis = "[<project>] [<revision>[:<path>]]",
	.summary = "show a fragment, or a file of it",
	.help = "What the fragment is and which files it changed (HEAD when none is named); -p "
		"as a patch, --files "
		"all its files. With :path the content of that file, byte for byte, or the "
		"list of that directory.\n"
		"\n"
		"With --json an object: what `frag log` has, and message, changes; with "
		"--files also files, with -p also "
		"patch. A file is an object with path, mode, oid, size, content (and "
		"content_hex where it "
		"is not UTF-8).\n"
		"\n"
		"  frag show shop 42 -p\n"
		"  frag show shop v1.0:src/main.ts",
	.options = options,
	.max_pos = 2,
	.run = run,
};
