/* Writing commits from lists of files.
 *
 * The files are sorted by path, so those of one directory are neighbours; each run of them
 * becomes a tree, from the deepest up. Every path is judged before the first object is made: what we write, we
 * can show. Author and committer lose the bytes that would break a commit's header, as they do in
 * git.
 *
 * The objects go through a pack writer (store/pack.c): one pack, one sync.
 */
#include "store/commit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/judge.h"
#include "store/blob.h"
#include "store/pack.h"
#include "store/project_private.h"
#include "store/tree_private.h"

enum { COMMIT_SIZE_MAX = 64 << 20 };
#define TREE_SIZE_MAX ((size_t)1 << 30)

struct commit_batch {
	struct project *project;
	struct pack *pack;
};

struct sorted_file {
	const struct commit_file *file;
	size_t len; /* of its path */
};

static int by_path(const void *a, const void *b)
{
	const struct sorted_file *x = a, *y = b;

	return strcmp(x->file->path, y->file->path);
}

/* An entry of the tree that is being made. */
struct made {
	const char *name;
	size_t len;
	uint32_t mode;
	struct oid oid;
};

static int by_name(const void *a, const void *b)
{
	const struct made *x = a, *y = b;
	int c = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

static int by_tree_order(const void *a, const void *b)
{
	const struct made *x = a, *y = b;

	return tree_name_order(x->name, x->len, tree_mode_is_tree(x->mode), y->name, y->len,
			       tree_mode_is_tree(y->mode));
}

static int judge_files(const struct commit_spec *spec, struct sorted_file *sorted)
{
	for (size_t i = 0; i < spec->n_files; i++) {
		const struct commit_file *f = &spec->files[i];
		size_t len = strlen(f->path);
		enum judge_verdict v = judge_path(f->path, len);

		if (!v && f->mode != MODE_FILE && f->mode != MODE_EXEC &&
		    f->mode != MODE_LINK && !(f->blob && f->mode == MODE_GITLINK))
			v = JUDGE_BAD_MODE;
		if (v)
			return fail(-EINVAL, "commit '%s': %s", f->path, judge_words(v));
		if (!f->blob && f->mode == MODE_LINK &&
		    (!f->len || memchr(f->data, '\0', f->len)))
			return fail(-EINVAL, "commit link '%s': its target is no path",
				    f->path);
		if (f->len > BLOB_SIZE_MAX)
			return fail(-EFBIG, "commit '%s' of %zu bytes", f->path, f->len);
		sorted[i] = (struct sorted_file){f, len};
	}
	if (spec->n_files)
		qsort(sorted, spec->n_files, sizeof(*sorted), by_path);
	return 0;
}

/* The files of one directory, whose path is the first `skip` bytes of each. */
struct run {
	const struct sorted_file *files;
	size_t n, skip;
};

static int write_run(struct pack *k, const struct run *run, struct oid *ret);

/* Makes the entry that starts at file `*at` and moves past all files of it. */
static int make_entry(struct pack *k, const struct run *run, size_t *at, struct made *ret)
{
	const struct sorted_file *f = &run->files[*at];
	const char *name = f->file->path + run->skip, *slash = strchr(name, '/');
	struct run sub = {.files = f, .n = 1};

	if (!slash) {
		*ret = (struct made){name, f->len - run->skip, f->file->mode, {{0}}};
		++*at;
		if (f->file->blob) {
			ret->oid = *f->file->blob;
			return 0;
		}
		return pack_add(k, GIT_OBJECT_BLOB, f->file->data ? f->file->data : "",
				f->file->len, &ret->oid);
	}
	sub.skip = (size_t)(slash + 1 - f->file->path);
	while (*at + sub.n < run->n &&
	       !strncmp(f->file->path, run->files[*at + sub.n].file->path, sub.skip))
		sub.n++;
	*at += sub.n;
	*ret = (struct made){name, (size_t)(slash - name), MODE_TREE, {{0}}};
	return write_run(k, &sub, &ret->oid);
}

static int write_entries(struct pack *k, const struct made *v, size_t n, struct oid *ret)
{
	CLEANUP(buf_deinit) struct buf b;
	int r = 0;

	buf_init(&b, TREE_SIZE_MAX);
	for (size_t i = 0; i < n && !r; i++) {
		r = buf_fmt(&b, "%o ", v[i].mode);
		if (!r)
			r = buf_add(&b, v[i].name, v[i].len);
		if (!r)
			r = buf_add(&b, "", 1);
		if (!r)
			r = buf_add(&b, v[i].oid.id, OID_LEN);
	}
	if (r)
		return fail(r, "write a tree of %zu entries", n);
	return pack_add(k, GIT_OBJECT_TREE, b.data, b.len, ret);
}

/* Recursion is as deep as a path may be (base/judge.h). */
static int write_run(struct pack *k, const struct run *run, struct oid *ret)
{
	CLEANUP(free_p) struct made *v = NULL;
	size_t n = 0, cap = 0;

	for (size_t at = 0; at < run->n;) {
		int r;

		alloc_grow(&v, &cap, n + 1, sizeof(*v));
		r = make_entry(k, run, &at, &v[n]);
		if (r)
			return r;
		n++;
	}
	if (n)
		qsort(v, n, sizeof(*v), by_name);
	for (size_t i = 1; i < n; i++) {
		if (!by_name(&v[i - 1], &v[i]))
			return fail(-EINVAL, "commit '%.*s' twice", (int)(run->skip + v[i].len),
				    v[i].name - run->skip);
	}
	if (n)
		qsort(v, n, sizeof(*v), by_tree_order);
	return write_entries(k, v, n, ret);
}

/* Appends a name or address without what a header line cannot hold. */
static int add_cleaned(struct buf *b, const char *s)
{
	static const char crud[] = " \t\r\n\v\f.,:;<>\"\\'";
	size_t len;
	int r = 0;

	s += strspn(s, crud);
	len = strlen(s);
	while (len && strchr(crud, s[len - 1]))
		len--;
	for (size_t i = 0; i < len && !r; i++) {
		if (!strchr("\n<>", s[i]))
			r = buf_add(b, &s[i], 1);
	}
	return r;
}

int commit_add_who(struct buf *b, const char *key, const struct commit_who *who)
{
	int tz = who->tz < 0 ? -who->tz : who->tz;
	int r = buf_fmt(b, "%s ", key);

	if (!r)
		r = add_cleaned(b, who->name ? who->name : "");
	if (!r)
		r = buf_str(b, " <");
	if (!r)
		r = add_cleaned(b, who->email ? who->email : "");
	/* Git has no words for a time before 1970. */
	return r ? r
		 : buf_fmt(b, "> %" PRId64 " %c%02d%02d\n", who->time < 0 ? 0 : who->time,
			   who->tz < 0 ? '-' : '+', tz / 60, tz % 60);
}

static int format_commit(struct buf *b, const struct oid *tree, const struct commit_spec *spec)
{
	const char *message = spec->message ? spec->message : "";
	char hex[OID_HEX_LEN + 1];
	size_t len = strlen(message);
	int r = buf_fmt(b, "tree %s\n", oid_hex(tree, hex));

	for (size_t i = 0; i < spec->n_parents && !r; i++)
		r = buf_fmt(b, "parent %s\n", oid_hex(&spec->parents[i], hex));
	if (!r)
		r = commit_add_who(b, "author", &spec->author);
	if (!r)
		r = commit_add_who(b, "committer", &spec->committer);
	if (!r)
		r = buf_str(b, "\n");
	if (!r)
		r = buf_add(b, message, len);
	if (!r && len && message[len - 1] != '\n')
		r = buf_str(b, "\n");
	return r ? fail(r, "write a commit of %zu parents", spec->n_parents) : 0;
}

static int add_commit(struct commit_batch *b, const struct oid *tree,
		      const struct commit_spec *spec, struct oid *ret)
{
	CLEANUP(buf_deinit) struct buf bytes;
	int r;

	buf_init(&bytes, COMMIT_SIZE_MAX);
	r = format_commit(&bytes, tree, spec);
	return r ? r : pack_add(b->pack, GIT_OBJECT_COMMIT, bytes.data, bytes.len, ret);
}

int commit_batch_begin(struct project *p, struct commit_batch **ret)
{
	struct commit_batch *b = alloc_zero(sizeof(*b));
	int r = pack_begin(p, &b->pack);

	if (r) {
		free(b);
		return r;
	}
	b->project = project_ref(p);
	*ret = b;
	return 0;
}

int commit_batch_add(struct commit_batch *b, const struct commit_spec *spec, struct oid *ret)
{
	CLEANUP(free_p) struct sorted_file *sorted = NULL;
	struct run root = {.n = spec->n_files};
	struct oid tree;
	int r;

	sorted = alloc_array(spec->n_files + 1, sizeof(*sorted));
	r = judge_files(spec, sorted);
	if (r)
		return r;
	root.files = sorted;
	r = write_run(b->pack, &root, &tree);
	return r ? r : add_commit(b, &tree, spec, ret);
}

void commit_batch_abort(struct commit_batch *b)
{
	if (!b)
		return;
	pack_abort(b->pack);
	project_unref(b->project);
	free(b);
}

int commit_batch_finish(struct commit_batch *b)
{
	int r = pack_finish(TAKE(b->pack));

	commit_batch_abort(b);
	return r;
}

int commit_write(struct project *p, const struct commit_spec *spec, struct oid *ret)
{
	struct commit_batch *b;
	struct oid id;
	int r = commit_batch_begin(p, &b);

	if (r)
		return r;
	r = commit_batch_add(b, spec, &id);
	if (r) {
		commit_batch_abort(b);
		return r;
	}
	r = commit_batch_finish(b);
	if (!r)
		*ret = id;
	return r;
}

int commit_write_tree(struct project *p, const struct oid *tree, const struct commit_spec *spec,
		      struct oid *ret)
{
	struct commit_batch *b;
	struct oid id;
	int r = commit_batch_begin(p, &b);

	if (r)
		return r;
	r = add_commit(b, tree, spec, &id);
	if (r) {
		commit_batch_abort(b);
		return r;
	}
	r = commit_batch_finish(b);
	if (!r)
		*ret = id;
	return r;
}
