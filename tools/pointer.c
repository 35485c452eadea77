/* Listing, making and deleting branches and tags.
 *
 * Every change is a compare-and-swap against what was read just before; when somebody else was faster the person is told and
 * decides anew, nothing is retried behind their back. Deleting a pointer loses no fragment: its number keeps it alive.
 */
#include "tools/pointer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "store/commit.h"
#include "store/fragment.h"
#include "store/project.h"
#include "store/ref.h"
#include "store/store.h"
#include "store/tag.h"
#include "tools/cli.h"
#include "tools/closest.h"
#include "tools/exact.h"
#include "tools/identity.h"
#include "tools/term.h"

DEFINE_CLEANUP(struct commit *, commit_free)
DEFINE_CLEANUP(struct project *, project_unref)
DEFINE_CLEANUP(struct store *, store_close)

enum { SUGGESTION_MAX = 1024, LIST_ENOUGH = 100 };

const struct pointer_kind pointer_branch = {"branch", "refs/heads/"};
const struct pointer_kind pointer_tag = {"tag", "refs/tags/"};

/* A verb's work: the home and project it is about, and its arguments behind the project's name. */
struct work {
	struct cli *cli;
	const struct pointer_kind *kind;
	struct store *store;
	struct project *project;
	const char *const *pos;
	size_t n_pos;
};

static int begin(struct work *w, const struct cli_args *args)
{
	size_t used = 0;
	int r = cli_open_store(w->cli, &w->store);

	if (!r)
		r = cli_project_arg(w->cli, w->store, args, &w->project, &used);
	w->pos = args->pos + used;
	w->n_pos = args->n_pos - used;
	return r;
}

static void end(struct work *w)
{
	if (w->project)
		project_unref(w->project);
	if (w->store)
		store_close(w->store);
}

static char *full_name(const struct pointer_kind *kind, const char *name)
{
	if (!strncmp(name, kind->prefix, strlen(kind->prefix)))
		return alloc_str(name);
	return alloc_fmt("%s%s", kind->prefix, name);
}

struct flat {
	struct work *work;
	struct term term;
	struct json_out *json;
	struct project_head head;
};

static void row_json(struct flat *l, const char *name, const struct fragment *f,
		     const struct commit *c)
{
	struct json_out *o = l->json;
	const char *shown = name + strlen(l->work->kind->prefix);

	json_begin(o, '{');
	exact_field(o, "name", shown, strlen(shown));
	exact_oid_field(o, "commit", &f->commit);
	json_key_out(o, "seq");
	if (f->seq)
		json_put_int(o, f->seq);
	else
		json_put_null(o);
	exact_time_field(o, "time", f->time, f->tz);
	if (c)
		exact_field(o, "title", c->title, strlen(c->title));
	else
		json_str_field(o, "title", NULL);
	if (l->work->kind == &pointer_branch)
		json_bool_field(o, "head", !strcmp(l->head.branch, name));
	json_end(o, '}');
}

static void row_text(struct flat *l, const char *name, const struct fragment *f,
		     const struct commit *c)
{
	const char *shown = name + strlen(l->work->kind->prefix);
	bool head = l->work->kind == &pointer_branch && !strcmp(l->head.branch, name);
	char hex[OID_HEX_LEN + 1];
	size_t len = strlen(shown);

	(void)fputs(head ? "* " : "  ", stdout);
	term_put(&l->term, head ? TERM_GREEN : TERM_PLAIN, shown);
	(void)printf("%*s %5" PRIu32 " ", len < 24 ? (int)(24 - len) : 0, "", f->seq);
	term_put(&l->term, TERM_YELLOW, "");
	(void)printf("%.12s ", oid_hex(&f->commit, hex));
	if (c)
		term_put(&l->term, TERM_PLAIN, c->title);
	(void)putchar('\n');
}

static int list_one(const char *name, const struct oid *commit, void *arg)
{
	CLEANUP(commit_freep) struct commit *c = NULL;
	struct flat *l = arg;
	struct fragment f = {.commit = *commit};

	(void)commit_read(l->work->project, commit, &c);
	if (fragment_by_commit(l->work->project, commit, &f)) {
		f = (struct fragment){.commit = *commit};
		f.time = c ? c->committer.time : 0;
		f.tz = c ? c->committer.tz : 0;
	}
	if (l->json)
		row_json(l, name, &f, c);
	else
		row_text(l, name, &f, c);
	return ferror(stdout) ? LIST_ENOUGH : 0;
}

static int list(struct work *w)
{
	struct flat l = {.work = w};
	struct json_out o;
	int r = project_head(w->project, &l.head);

	term_init(&l.term);
	if (w->cli->json) {
		json_out_file(&o, stdout);
		json_begin(&o, '[');
		l.json = &o;
	}
	if (!r)
		r = ref_each(w->project, w->kind->prefix, list_one, &l);
	if (r && r != LIST_ENOUGH)
		return CLI_FAILED;
	if (!w->cli->json)
		return CLI_DONE;
	json_end(&o, ']');
	return json_out_end(&o);
}

int pointer_list(struct cli *cli, const struct cli_args *args, const struct pointer_kind *kind)
{
	struct work w = {.cli = cli, .kind = kind};
	int r = begin(&w, args);

	if (!r && w.n_pos)
		r = cli_usage("one argument too many: '%s'", w.pos[0]);
	if (!r)
		r = list(&w);
	end(&w);
	return r;
}

static int report(const struct work *w, const char *key, const char *name,
		  const struct oid *commit)
{
	struct fragment f = {0};
	struct json_out o;

	if (!w->cli->json)
		return CLI_DONE;
	if (fragment_by_commit(w->project, commit, &f))
		f.seq = 0;
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	exact_field(&o, key, name, strlen(name));
	exact_oid_field(&o, "commit", commit);
	if (f.seq)
		json_int_field(&o, "seq", f.seq);
	json_end(&o, '}');
	return json_out_end(&o);
}

static int refuse_ref(const struct work *w, int r, const char *name)
{
	if (r == REF_BAD_NAME)
		return cli_refuse("no blanks, no '..', '~', '^', ':', '?', '*', '[' or "
				  "backslash, no part that "
				  "begins with a dot or ends in .lock",
				  "'%s' is not a name that git accepts", name);
	if (r == REF_MOVED)
		return cli_refuse(
			"look at it again and repeat the command if it is still right",
			"%s '%s' was just changed by somebody else", w->kind->noun, name);
	return CLI_FAILED;
}

/* `at`: the commit in, the tag object out. */
static int write_tag(struct work *w, const char *name, const char *message, struct oid *at)
{
	struct tag_spec spec = {.target = *at, .name = name, .message = message};
	int r;

	identity_read(&spec.tagger);
	r = tag_write(w->project, &spec, at);
	identity_deinit(&spec.tagger);
	return r;
}

static int create(struct work *w, const struct pointer_create *how)
{
	CLEANUP(free_p) char *full = full_name(w->kind, w->pos[0]);
	const char *name = full + strlen(w->kind->prefix);
	struct oid target, was = {0}, to;
	int r = cli_revision(w->project, w->n_pos > 1 ? w->pos[1] : "HEAD", &target);

	if (r)
		return r;
	r = ref_value(w->project, full, &was);
	if (!r && !how->force)
		return cli_refuse("-f moves it", "there is a %s '%s' already", w->kind->noun,
				  name);
	if (r && r != REF_MISSING)
		return refuse_ref(w, r, name);
	to = target;
	r = how->message ? write_tag(w, name, how->message, &to) : 0;
	if (!r)
		r = ref_advance(w->project, full, &was, &to, "frag: created");
	if (r)
		return refuse_ref(w, r, name);
	cli_changed(w->cli, project_name(w->project));
	return report(w, "created", name, &target);
}

int pointer_create(struct cli *cli, const struct cli_args *args,
		   const struct pointer_kind *kind, const struct pointer_create *how)
{
	struct work w = {.cli = cli, .kind = kind};
	int r = begin(&w, args);

	if (!r && (!w.n_pos || w.n_pos > 2))
		r = cli_usage("frag %s create wants a name and at most one revision",
			      kind->noun);
	if (!r)
		r = create(&w, how);
	end(&w);
	return r;
}

struct suggestions {
	struct closest near;
	size_t skip;
};

static int offer(const char *name, const struct oid *commit, void *arg)
{
	struct suggestions *s = arg;

	closest_offer(&s->near, name + s->skip);
	return 0;
}

static int refuse_missing(const struct work *w, const char *name)
{
	CLEANUP(buf_deinit) struct buf hint;
	struct suggestions s = {.skip = strlen(w->kind->prefix)};

	buf_init(&hint, SUGGESTION_MAX);
	closest_init(&s.near, name);
	(void)ref_each(w->project, w->kind->prefix, offer, &s);
	if (s.near.n) {
		(void)buf_str(&hint, "did you mean ");
		closest_words(&s.near, &hint);
		(void)buf_str(&hint, "?");
	} else {
		(void)buf_fmt(&hint, "`frag %s list` shows those there are", w->kind->noun);
	}
	return cli_refuse(hint.data, "there is no %s '%s' in project '%s'", w->kind->noun, name,
			  project_name(w->project));
}

static int delete (struct work *w)
{
	CLEANUP(free_p) char *full = full_name(w->kind, w->pos[0]);
	const char *name = full + strlen(w->kind->prefix);
	struct project_head head;
	struct oid was;
	int r = ref_value(w->project, full, &was);

	if (r == REF_MISSING)
		return refuse_missing(w, name);
	if (r)
		return refuse_ref(w, r, name);
	if (project_head(w->project, &head))
		return CLI_FAILED;
	if (!strcmp(head.branch, full))
		return cli_refuse("`frag checkout` another branch first",
				  "HEAD is on branch '%s'", name);
	r = ref_delete(w->project, full, &was);
	if (r == REF_MISSING)
		return refuse_missing(w, name);
	if (r)
		return refuse_ref(w, r, name);
	cli_changed(w->cli, project_name(w->project));
	return report(w, "deleted", name, &was);
}

int pointer_delete(struct cli *cli, const struct cli_args *args,
		   const struct pointer_kind *kind)
{
	struct work w = {.cli = cli, .kind = kind};
	int r = begin(&w, args);

	if (!r && w.n_pos != 1)
		r = cli_usage("frag %s delete wants one name", kind->noun);
	if (!r)
		r = delete (&w);
	end(&w);
	return r;
}
