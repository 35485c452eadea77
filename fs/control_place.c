/* fs/control_place.c - .frag/ of a project: what it says about itself, as files.
 *
 * Opens are stateless, so a text is made when its name is looked up and lives in a node of its own: whoever
 * opened it reads one whole snapshot, the next path resolution gets the next. The kernel forgets the name at once and the
 * node with it. Equal texts are one node, so asking twice costs nothing in memory.
 */
#include "fs/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "fs/app.h"
#include "fs/at_place.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/place.h"
#include "store/commit.h"
#include "store/diff.h"
#include "store/fragment.h"
#include "store/revision.h"

enum {
	LOG_LINES = 1000,    /* the newest; `frag log` shows all */
	TEXT_MAX = 64 << 20, /* of a patch, the only text that can grow large */
	TITLE_MAX = 200,
};

/* The fragment HEAD points at; FRAGMENT_MISSING while it is unborn. */
static int head_fragment(struct project *p, struct project_head *head, struct fragment *ret)
{
	int r = project_head(p, head);

	if (r)
		return r < 0 ? r : FRAGMENT_MISSING;
	return oid_is_zero(&head->commit) ? FRAGMENT_MISSING
					  : fragment_by_commit(p, &head->commit, ret);
}

static int write_head(struct fs *fs, struct app *app, struct project *p, struct buf *b)
{
	char name[FRAGMENT_NAME_MAX];
	struct project_head head;
	struct fragment f;
	int r = head_fragment(p, &head, &f);

	if (r)
		return r < 0 ? r : 0;
	fragment_name(&f, name);
	return buf_fmt(b, "%s\n", name);
}

static void status_head(struct json_out *o, struct project *p)
{
	char hex[OID_HEX_LEN + 1], name[FRAGMENT_NAME_MAX];
	struct project_head head;
	struct fragment f;
	int r = head_fragment(p, &head, &f);

	json_key_out(o, "head");
	if (r < 0) {
		json_put_null(o);
		return;
	}
	json_begin(o, '{');
	json_str_field(o, "branch", *head.branch ? head.branch : NULL);
	json_str_field(o, "commit",
		       oid_is_zero(&head.commit) ? NULL : oid_hex(&head.commit, hex));
	if (!r) {
		fragment_name(&f, name);
		json_int_field(o, "seq", f.seq);
		json_str_field(o, "fragment", name);
	}
	json_end(o, '}');
}

static int write_status(struct fs *fs, struct app *app, struct project *p, struct buf *b)
{
	uint32_t n = 0, last = 0;
	struct json_out o;
	int r = fragment_count(p, &n);

	if (!r)
		r = fragment_last(p, &last);
	if (r)
		return r;
	json_out_buf(&o, b);
	json_begin(&o, '{');
	json_str_field(&o, "project", app->name);
	json_int_field(&o, "fragments", n);
	json_int_field(&o, "last", last);
	status_head(&o, p);
	json_key_out(&o, "mirror");
	if (fs->status)
		fs->status(app->name, &o, fs->status_arg);
	else
		json_put_null(&o);
	json_end(&o, '}');
	return json_out_end(&o);
}

static int log_line(struct project *p, const struct fragment *f, struct buf *b)
{
	char when[CLOCK_TEXT_MAX], hex[OID_HEX_LEN + 1];
	struct commit *c = NULL;
	size_t len;
	int r = commit_read(p, &f->commit, &c);

	if (r < 0)
		return r;
	r = buf_fmt(b, "%05u %.12s %s ", f->seq, oid_hex(&f->commit, hex),
		    clock_iso(f->time, f->tz, when));
	len = c ? strnlen(c->title, TITLE_MAX) : 0;
	if (!r && c)
		r = utf8_printable(b, c->title, len);
	commit_free(c);
	return r ? r : buf_str(b, "\n");
}

static int write_log(struct fs *fs, struct app *app, struct project *p, struct buf *b)
{
	struct fragment f;
	uint32_t last;
	int r = fragment_last(p, &last), n = 0;

	for (uint32_t seq = last; !r && seq && n < LOG_LINES; seq--) {
		r = fragment_get(p, seq, &f);
		if (r < 0)
			return r;
		if (!r && !(r = log_line(p, &f, b)))
			n++;
		else if (r == FRAGMENT_MISSING)
			r = 0;
	}
	return r;
}

struct text {
	const char *name;
	int (*write)(struct fs *fs, struct app *app, struct project *p, struct buf *b);
};

static const struct text texts[] = {
	{"head", write_head},
	{"status.json", write_status},
	{"log", write_log},
};

struct folder {
	const char *name;
	enum place_kind kind;
};

static const struct folder folders[] = {
	{"diff", PLACE_DIFFS},
	{"file", PLACE_HISTORY},
};

enum {
	N_TEXTS = sizeof(texts) / sizeof(texts[0]),
	N_FOLDERS = sizeof(folders) / sizeof(folders[0]),
};

void control_show(struct fs *fs, struct node *dir, const char *name, struct buf *b,
		  struct found *ret)
{
	size_t len = b->len;
	struct node want = place_text(fs, dir, name, buf_take(b), len);

	ret->node = place_node(fs, &want);
}

static int find_text(struct fs *fs, struct node *dir, const struct text *t, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	CLEANUP(buf_deinit) struct buf b;
	int r = app_use(fs, dir->app, &p);

	buf_init(&b, TEXT_MAX);
	if (!r)
		r = t->write(fs, dir->app, p, &b);
	if (!r)
		control_show(fs, dir, t->name, &b, ret);
	return r;
}

static int lookup(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	struct node want;

	for (size_t i = 0; i < N_TEXTS; i++)
		if (!strcmp(texts[i].name, name))
			return find_text(fs, dir, &texts[i], ret);
	for (size_t i = 0; i < N_FOLDERS; i++) {
		if (strcmp(folders[i].name, name) != 0)
			continue;
		want = place_subdir(fs, dir, name, folders[i].kind);
		want.extra = alloc_str("");
		ret->node = place_node(fs, &want);
		ret->entry_ttl = PLACE_ALWAYS;
		return 0;
	}
	return PLACE_NO_ENTRY;
}

static int list(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	for (uint64_t i = from; i < N_TEXTS + N_FOLDERS; i++) {
		bool is_text = i < N_TEXTS;
		const char *name = is_text ? texts[i].name : folders[i - N_TEXTS].name;
		struct ident id = ident_child(&fs->secret, &dir->ident, name, strlen(name));

		if (!dirbuf_add(out, name, id.ino, is_text ? S_IFREG : S_IFDIR, i + 1))
			break;
	}
	return 0;
}

const struct place_ops place_control = {
	.lookup = lookup,
	.list = list,
};

/* The tree of a revision as it stands in a name. 0, PLACE_NO_ENTRY, or a fault. */
static int tree_of(struct project *p, const char *name, struct oid *ret)
{
	CLEANUP(free_p) char *rev = at_place_decode(name);
	struct commit *c = NULL;
	struct oid id;
	int r = revision_resolve(p, rev, &id);

	if (!r)
		r = commit_read(p, &id, &c);
	if (r)
		return r < 0 ? r : PLACE_NO_ENTRY;
	*ret = c->tree;
	commit_free(c);
	return 0;
}

/* "<a>..<b>" */
static int find_diff(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	CLEANUP(free_p) char *a = alloc_str(name);
	CLEANUP(buf_deinit) struct buf b;
	char *dots = strstr(a, "..");
	struct oid from, to;
	int r;

	buf_init(&b, TEXT_MAX);
	if (!dots || dots == a || !dots[2])
		return PLACE_NO_ENTRY;
	*dots = '\0';
	r = app_use(fs, dir->app, &p);
	if (!r)
		r = tree_of(p, a, &from);
	if (!r)
		r = tree_of(p, dots + 2, &to);
	if (!r)
		r = diff_patch(p, &from, &to, &b);
	if (!r)
		control_show(fs, dir, name, &b, ret);
	return r;
}

const struct place_ops place_diffs = {
	.lookup = find_diff,
};
