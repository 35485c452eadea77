/* tests/sync/twin_source.c - see the header. */
#include "tests/sync/twin_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/judge.h"
#include "base/sha1.h"

enum { LOG_MAX = 64 << 20 };

struct twin_handle {
	struct source source;
	struct twin *t;
};

static struct twin *twin_of(struct source *s)
{
	return ((struct twin_handle *)(void *)s)->t;
}

void twin_init(struct twin *t, const struct clock *clock)
{
	*t = (struct twin){.clock = clock};
	oidmap_init(&t->blobs);
	buf_init(&t->log, LOG_MAX);
	twin_fragment(t, "");
}

void twin_deinit(struct twin *t)
{
	for (size_t i = 0; i < t->n_trees; i++)
		flat_deinit(&t->trees[i].files);
	for (size_t i = 0; i < t->n_content; i++)
		free(t->content[i]);
	free(t->content);
	free(t->content_len);
	oidmap_deinit(&t->blobs);
	buf_deinit(&t->log);
}

void twin_revive(struct twin *t)
{
	t->dead = t->owned = false;
}

static struct oid add_blob(struct twin *t, const void *data, size_t len)
{
	struct oid oid;

	sha1_blob(data, len, &oid);
	if (!oidmap_add(&t->blobs, &oid, t->n_content))
		return oid;
	alloc_grow(&t->content, &t->content_cap, t->n_content + 1, sizeof(*t->content));
	alloc_grow(&t->content_len, &t->content_len_cap, t->n_content + 1,
		   sizeof(*t->content_len));
	t->content[t->n_content] = alloc_copy(data, len);
	t->content_len[t->n_content++] = len;
	return oid;
}

struct oid twin_blob(struct twin *t, const char *text)
{
	return add_blob(t, text, strlen(text));
}

bool twin_has_blob(const struct twin *t, const struct oid *oid)
{
	return oidmap_find(&t->blobs, oid) != NULL;
}

static int by_path(const void *a, const void *b)
{
	const struct plan_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

size_t twin_fragment_of(struct twin *t, struct flat *files)
{
	struct twin_tree *tree = &t->trees[t->n_trees];

	if (files->n)
		qsort(files->entries, files->n, sizeof(*files->entries), by_path);
	tree->files = *files;
	if (flat_tree(files->entries, files->n, &tree->id))
		abort();
	return t->n_trees++;
}

size_t twin_fragment(struct twin *t, const char *files)
{
	char *copy = alloc_str(files), *save = NULL;
	struct flat l = {0};

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *text = strchr(w, '=');
		struct plan_entry e = {.mode = MODE_FILE};
		size_t len = strlen(text + 1);

		*text++ = '\0';
		if (len && text[len - 1] == '*')
			e.mode = MODE_EXEC;
		if (len && text[len - 1] == '@')
			e.mode = MODE_LINK;
		if (e.mode != MODE_FILE)
			text[--len] = '\0';
		e.size = len;
		e.oid = twin_blob(t, text);
		flat_add(&l, w, strlen(w), &e);
	}
	free(copy);
	return twin_fragment_of(t, &l);
}

static const struct twin_tree *find_tree(const struct twin *t, const struct oid *id)
{
	for (size_t i = 0; i < t->n_trees; i++)
		if (oid_eq(&t->trees[i].id, id))
			return &t->trees[i];
	return NULL;
}

/* One durable write: false when the process died before it. */
static bool may_write(struct twin *t)
{
	if (t->dead || (t->die && t->die(t, t->die_arg))) {
		t->dead = true;
		return false;
	}
	t->n_writes++;
	return true;
}

static void log_oid(struct twin *t, const char *what, const struct oid *oid)
{
	char hex[OID_HEX_LEN + 1];

	(void)buf_fmt(&t->log, " %s %.8s", what, oid_hex(oid, hex));
}

static void log_rec(struct twin *t, const char *what, const struct state_sandbox *rec)
{
	(void)buf_fmt(&t->log, "%s phase %u kept %u due %lld epoch %u", what, rec->phase,
		      rec->n_kept, (long long)rec->due, rec->epoch[1]);
	log_oid(t, "B", &rec->base);
	log_oid(t, "D", &rec->desired);
	log_oid(t, "R", &rec->observed);
	(void)buf_fmt(&t->log, " '%s'\n", rec->error);
}

static int source_head(struct source *s, struct source_head *ret)
{
	const struct twin *t = twin_of(s);

	if (t->dead)
		return -EINTR;
	ret->commit = t->trees[t->head].id;
	ret->tree = t->trees[t->live ? t->live : t->head].id;
	ret->live = t->live != 0;
	return 0;
}

static int report(const struct plan_entry *was, const struct plan_entry *is, diff_fn fn,
		  void *arg)
{
	struct diff_change c = {.kind = !was ? DIFF_ADDED : !is ? DIFF_DELETED : DIFF_MODIFIED};

	if (was && is && was->mode == is->mode && oid_eq(&was->oid, &is->oid))
		return 0;
	c.path = was ? was->path : is->path;
	if (was) {
		c.old_mode = was->mode;
		c.old_oid = was->oid;
	}
	if (is) {
		c.new_mode = is->mode;
		c.new_oid = is->oid;
	}
	return fn(&c, arg);
}

static int source_diff(struct source *s, const struct oid *from, const struct oid *to,
		       diff_fn fn, void *arg)
{
	const struct twin *t = twin_of(s);
	const struct twin_tree *a = find_tree(t, from), *b = find_tree(t, to);
	size_t i = 0, j = 0;
	int r = 0;

	if (t->dead)
		return -EINTR;
	a = oid_is_zero(from) ? &t->trees[0] : a;
	if (!a || !b)
		return SOURCE_MISSING;
	while (!r && (i < a->files.n || j < b->files.n)) {
		const struct plan_entry *x = i < a->files.n ? &a->files.entries[i] : NULL;
		const struct plan_entry *y = j < b->files.n ? &b->files.entries[j] : NULL;
		int c = !x ? 1 : !y ? -1 : strcmp(x->path, y->path);

		i += c <= 0;
		j += c >= 0;
		r = report(c <= 0 ? x : NULL, c >= 0 ? y : NULL, fn, arg);
	}
	return r;
}

static int source_size(struct source *s, const struct oid *blob, uint64_t *ret)
{
	const struct twin *t = twin_of(s);
	const uint64_t *at = oidmap_find(&t->blobs, blob);

	if (t->dead)
		return -EINTR;
	if (!at)
		return SOURCE_MISSING;
	*ret = t->content_len[*at];
	return 0;
}

static int source_view(struct source *s, const struct oid *blob, struct blob_view *ret)
{
	const struct twin *t = twin_of(s);
	const uint64_t *at = oidmap_find(&t->blobs, blob);

	if (t->dead)
		return -EINTR;
	if (!at)
		return SOURCE_MISSING;
	*ret = (struct blob_view){
		.data = t->content[*at],
		.len = t->content_len[*at],
		.fd = -1,
	};
	return 0;
}

static void source_done(struct source *s, struct blob_view *v)
{
	*v = (struct blob_view){0};
}

static int source_load(struct source *s, struct state_sandbox *ret)
{
	const struct twin *t = twin_of(s);

	if (t->dead)
		return -EINTR;
	if (!t->has_rec)
		return SOURCE_MISSING;
	*ret = t->rec;
	return 0;
}

static int source_save(struct source *s, const struct state_sandbox *rec)
{
	struct twin *t = twin_of(s);

	if (!may_write(t))
		return -EINTR;
	log_rec(t, "save", rec);
	t->rec = *rec;
	t->has_rec = true;
	return 0;
}

static int source_op_get(struct source *s, struct state_op *ret)
{
	const struct twin *t = twin_of(s);

	if (t->dead)
		return -EINTR;
	if (!t->has_op)
		return SOURCE_MISSING;
	*ret = t->op;
	return 0;
}

static int source_op_open(struct source *s, struct state_op *op)
{
	struct twin *t = twin_of(s);

	op->op_id = t->next_op + 1;
	if (!may_write(t))
		return -EINTR;
	(void)buf_fmt(&t->log, "open plan %u attempt %u", op->plan, op->attempt);
	log_oid(t, "from", &op->from);
	log_oid(t, "to", &op->to);
	(void)buf_str(&t->log, "\n");
	t->op = *op;
	t->next_op++;
	t->has_op = true;
	return 0;
}

static int source_op_close(struct source *s, const struct state_op *op,
			   const struct state_sandbox *rec)
{
	struct twin *t = twin_of(s);

	if (!may_write(t))
		return -EINTR;
	log_rec(t, "close", rec);
	t->rec = *rec;
	t->has_op = false;
	return 0;
}

static void overlay(struct flat *into, const struct flat *base, const struct source_work *w)
{
	size_t i = 0, j = 0;

	while (i < base->n || j < w->n_files) {
		const struct plan_entry *b = i < base->n ? &base->entries[i] : NULL;
		const struct source_file *f = j < w->n_files ? &w->files[j] : NULL;
		int c = !b ? 1 : !f ? -1 : strcmp(b->path, f->path);

		i += c <= 0;
		j += c >= 0;
		if (c < 0)
			flat_add(into, b->path, strlen(b->path), b);
		else if (f->mode)
			flat_add(into, f->path, strlen(f->path),
				 &(struct plan_entry){
					 .mode = f->mode, .oid = f->oid, .size = f->len});
	}
}

static int source_keep(struct source *s, const struct source_work *w, struct oid *ret)
{
	struct twin *t = twin_of(s);
	const struct twin_tree *base = find_tree(t, &w->tree);
	struct flat all = {0};
	int r;

	overlay(&all, base ? &base->files : &t->trees[0].files, w);
	r = flat_tree(all.entries, all.n, ret);
	flat_deinit(&all);
	if (r)
		return SOURCE_REFUSED;
	for (size_t i = 0; i < t->n_kept; i++)
		if (oid_eq(&t->kept_trees[i], ret))
			return 0;
	if (!may_write(t))
		return -EINTR;
	log_oid(t, "keep", ret);
	(void)buf_str(&t->log, "\n");
	for (size_t i = 0; i < w->n_files; i++)
		if (w->files[i].data)
			add_blob(t, w->files[i].data, w->files[i].len);
	if (t->n_kept == TWIN_KEPT_MAX)
		abort();
	t->kept_trees[t->n_kept++] = *ret;
	return 0;
}

bool twin_clashes(const struct flat *l, const char *path)
{
	size_t b = strlen(path);

	for (size_t i = 0; i < l->n; i++) {
		const char *other = l->entries[i].path;
		size_t a = strlen(other);

		if ((a > b && memcmp(other, path, b) == 0 && other[b] == '/') ||
		    (b > a && memcmp(other, path, a) == 0 && path[a] == '/'))
			return true;
	}
	return false;
}

static bool is_as_in(const struct flat *a, const struct flat *b, const char *path)
{
	const struct plan_entry *x = flat_find(a, path), *y = flat_find(b, path);

	return x && y ? x->mode == y->mode && oid_eq(&x->oid, &y->oid) : x == y;
}

static int source_take(struct source *s, const struct oid *base,
		       const struct source_file *files, size_t n)
{
	struct twin *t = twin_of(s);
	const struct flat *live = &t->trees[t->live].files;
	const struct twin_tree *from = find_tree(t, base);
	struct source_work w = {.files = alloc_array(n + 1, sizeof(*files))};
	struct source_file *into = (struct source_file *)(uintptr_t)w.files;
	struct flat all = {0};
	struct oid tree;

	for (size_t i = 0; i < n; i++)
		if (from && is_as_in(&from->files, live, files[i].path) &&
		    !(files[i].mode && twin_clashes(live, files[i].path)))
			into[w.n_files++] = files[i];
	overlay(&all, live, &w);
	if (!t->live || !may_write(t) || flat_tree(all.entries, all.n, &tree)) {
		flat_deinit(&all);
		free(into);
		return !t->live ? (int)SOURCE_MISSING : -EINTR;
	}
	for (size_t i = 0; i < w.n_files; i++)
		if (w.files[i].data)
			add_blob(t, w.files[i].data, w.files[i].len);
	log_oid(t, "take", &tree);
	(void)buf_str(&t->log, "\n");
	t->live = twin_fragment_of(t, &all);
	free(into);
	return 0;
}

static int source_plant(struct source *s, const struct plan_entry *entries, size_t n,
			struct oid *ret)
{
	struct twin *t = twin_of(s);
	struct flat l = {0};

	if (!may_write(t))
		return -EINTR;
	for (size_t i = 0; i < n; i++)
		flat_add(&l, entries[i].path, strlen(entries[i].path), &entries[i]);
	*ret = t->trees[twin_fragment_of(t, &l)].id;
	return 0;
}

static int source_own(struct source *s)
{
	struct twin *t = twin_of(s);

	if (t->dead)
		return -EINTR;
	if (t->held)
		return SOURCE_HELD;
	if (t->owned)
		abort();
	t->owned = true;
	return 0;
}

static void source_disown(struct source *s)
{
	twin_of(s)->owned = false;
}

static void source_release(struct source *s)
{
	free(s);
}

struct source *twin_source(struct twin *t)
{
	static const struct source_ops ops = {
		.free = source_release,
		.head = source_head,
		.diff = source_diff,
		.size = source_size,
		.view = source_view,
		.done = source_done,
		.load = source_load,
		.save = source_save,
		.op_get = source_op_get,
		.op_open = source_op_open,
		.op_close = source_op_close,
		.keep = source_keep,
		.take = source_take,
		.plant = source_plant,
		.own = source_own,
		.disown = source_disown,
	};
	struct twin_handle *h = alloc_zero(sizeof(*h));

	h->source.ops = &ops;
	h->t = t;
	return &h->source;
}
