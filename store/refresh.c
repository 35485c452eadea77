/* Refs → numbers → index, in an order that a crash cannot harm.
 *
 *	look      fingerprint of the refs; the same as last time: done
 *	lock      fragfs.numbering.lock, one numberer per project over all processes
 *	scan      every ref from disk
 *	compare   refs/fragments/ with the index, when anybody else touched them
 *	walk      commits that the index lacks, from the tips and from refs/fragments/
 *	assign    numbers, from the highest ever + 1
 *	publish   refs/fragments/<seq>, durably          a crash here: the refs are found by `compare`
 *	index     all records, one transaction           a crash here: the same
 *
 * refs/fragments/ is the truth. Where the index differs in more than lacking the newest numbers, it is made
 * anew as a whole; that is rare, and being clever about it would be a second way to be wrong.
 * A ref below refs/fragments/ that was deleted by hand is put back while the index remembers it and
 * git still has the commit.
 *
 * Nothing here is called with a lock of the caller's held but project_lock().
 */
#include "store/refresh.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "store/first_seen.h"
#include "store/fragment.h"
#include "store/fragment_record.h"
#include "store/fragment_ref.h"
#include "store/index_fill.h"
#include "store/index_format.h"
#include "store/number.h"
#include "store/object.h"
#include "store/project_private.h"
#include "store/refs_scan.h"
#include "store/store.h"

enum { ATTEMPTS = 3 };

/* One attempt at numbering; the numbering lock is held. */
struct pass {
	struct project *p;
	struct index *ix;
	int dir_fd;
	refresh_progress_fn fn;
	void *arg;
	struct fingerprint seen;   /* taken before the scan */
	struct project_record rec; /* as the index has it; zero when it has none */
	struct refs_scan scan;
	struct number number;
	bool anew;
	uint32_t n_new;
	struct first_seen_census census;
};

static void pass_deinit(struct pass *s)
{
	refs_scan_deinit(&s->scan);
	number_deinit(&s->number);
}

static bool in_index(const struct oid *commit, void *arg)
{
	struct pass *s = arg;
	unsigned char key[INDEX_OID_KEY_LEN];
	CLEANUP(buf_deinit) struct buf val;

	buf_init(&val, 64);
	index_oid_key(project_id(s->p), commit, key);
	return !index_get(s->ix, INDEX_COMMIT, key, sizeof(key), &val);
}

/* The merge of refs/fragments/ and the index's fragments, both ascending. */
struct comparison {
	struct pass *pass;
	size_t at; /* the next ref */
	uint32_t count;
	struct refs_seq *lost; /* records without a ref */
	size_t n_lost, lost_cap;
	struct refs_seq *extra; /* refs without a record, below rec.last */
	size_t n_extra, extra_cap;
	bool differs;
};

static void comparison_deinit(struct comparison *c)
{
	free(c->lost);
	free(c->extra);
}

static void note_extra(struct comparison *c, const struct refs_seq *ref)
{
	if (ref->seq > c->pass->rec.last)
		return;
	alloc_grow(&c->extra, &c->extra_cap, c->n_extra + 1, sizeof(*c->extra));
	c->extra[c->n_extra++] = *ref;
}

static int compare_record(const void *key, size_t key_len, const void *val, size_t val_len,
			  void *arg)
{
	struct comparison *c = arg;
	const struct refs_scan *scan = &c->pass->scan;
	struct fragment f;

	if (fragment_record_decode(key, key_len, val, val_len, &f)) {
		c->differs = true;
		return 1;
	}
	c->count++;
	for (; c->at < scan->n_fragments && scan->fragments[c->at].seq < f.seq; c->at++)
		note_extra(c, &scan->fragments[c->at]);
	if (c->at < scan->n_fragments && scan->fragments[c->at].seq == f.seq) {
		c->differs |= !oid_eq(&scan->fragments[c->at].commit, &f.commit);
		c->at++;
		return c->differs;
	}
	alloc_grow(&c->lost, &c->lost_cap, c->n_lost + 1, sizeof(*c->lost));
	c->lost[c->n_lost++] = (struct refs_seq){.seq = f.seq, .commit = f.commit};
	return 0;
}

static bool is_commit(struct project *p, const struct oid *oid)
{
	git_object_t type;
	size_t size;

	return !object_header(p, oid, &type, &size) && type == GIT_OBJECT_COMMIT;
}

/* A ref without a record is in order when its commit cannot be read or has a lower number. */
static bool extra_is_fine(struct pass *s, const struct refs_seq *ref)
{
	struct fragment f;

	if (!is_commit(s->p, &ref->commit))
		return true;
	return !fragment_by_commit(s->p, &ref->commit, &f) && f.seq < ref->seq;
}

/* Puts refs back that somebody deleted; a commit that is gone makes the index wrong. */
static int restore_lost(struct comparison *c)
{
	struct pass *s = c->pass;

	for (size_t i = 0; i < c->n_lost; i++) {
		if (!is_commit(s->p, &c->lost[i].commit)) {
			log_warn("project '%s': the commit of fragment %u is gone, its number "
				 "stays "
				 "unused",
				 project_name(s->p), c->lost[i].seq);
			c->differs = true;
			return 0;
		}
	}
	if (!c->n_lost)
		return 0;
	log_warn("project '%s': %zu refs below refs/fragments/ were deleted, restoring them",
		 project_name(s->p), c->n_lost);
	return fragment_ref_write(s->dir_fd, c->lost, c->n_lost);
}

/* Whether the index can be extended, or must be made anew (s->anew). 0 or a fault. */
static int compare_refs(struct pass *s)
{
	CLEANUP(comparison_deinit) struct comparison c = {.pass = s};
	unsigned char key[INDEX_PROJECT_KEY_LEN];
	int r;

	index_project_key(project_id(s->p), key);
	r = index_each(s->ix, INDEX_FRAGMENT, key, sizeof(key), NULL, 0, compare_record, &c);
	if (r < 0)
		return r;
	for (; !c.differs && c.at < s->scan.n_fragments; c.at++)
		note_extra(&c, &s->scan.fragments[c.at]);
	for (size_t i = 0; !c.differs && i < c.n_extra; i++)
		c.differs = !extra_is_fine(s, &c.extra[i]);
	r = c.differs ? 0 : restore_lost(&c);
	if (c.differs || c.count != s->rec.count) {
		log_warn("project '%s': the index differs from refs/fragments/, making it anew",
			 project_name(s->p));
		s->anew = true;
	}
	return r;
}

static int walk(struct pass *s)
{
	struct number_walk w = {
		.project = s->p,
		.known = s->anew ? NULL : in_index,
		.arg = s,
		.progress = s->fn,
		.progress_arg = s->arg,
	};
	uint32_t from = s->anew ? 1 : s->rec.last + 1;
	int r = 0;

	for (size_t i = 0; !r && i < s->scan.n_fragments; i++) {
		if (s->scan.fragments[i].seq >= from)
			r = number_add(&s->number, &w, &s->scan.fragments[i].commit);
	}
	for (size_t i = 0; !r && i < s->scan.n_tips; i++)
		r = number_add(&s->number, &w, &s->scan.tips[i]);
	for (size_t i = 0; !r && i < s->scan.n_fragments; i++) {
		if (s->scan.fragments[i].seq >= from)
			number_fix(&s->number, &s->scan.fragments[i]);
	}
	return r;
}

/* The highest number that was ever given, as far as anybody knows. */
static uint32_t highest(const struct pass *s)
{
	uint32_t ret = fragment_ref_mark(s->dir_fd);

	if (s->rec.last > ret)
		ret = s->rec.last;
	if (s->scan.n_fragments && s->scan.fragments[s->scan.n_fragments - 1].seq > ret)
		ret = s->scan.fragments[s->scan.n_fragments - 1].seq;
	return ret;
}

static int publish(struct pass *s)
{
	CLEANUP(free_p) struct refs_seq *refs = alloc_array(s->n_new, sizeof(*refs));
	size_t first = s->number.n_nodes - s->n_new;

	for (size_t i = 0; i < s->n_new; i++) {
		const struct fragment *f = &s->number.nodes[first + i].f;

		refs[i] = (struct refs_seq){.seq = f->seq, .commit = f->commit};
	}
	return fragment_ref_write(s->dir_fd, refs, s->n_new);
}

/* The tree of a parent with a lower number, or zero. */
static struct oid base_of(struct pass *s, const struct number_node *node)
{
	struct fragment f;
	const uint64_t *at;

	if (!node->n_parents)
		return (struct oid){0};
	at = oidmap_find(&s->number.by_id, &s->number.parents[node->parents]);
	if (at)
		f = s->number.nodes[*at].f;
	else if (s->anew || fragment_by_commit(s->p, &s->number.parents[node->parents], &f))
		return (struct oid){0};
	return f.seq < node->f.seq ? f.tree : (struct oid){0};
}

static int fill_index(struct pass *s)
{
	size_t n = s->number.n_nodes;
	CLEANUP(free_p) struct first_seen_root *roots = alloc_array(n, sizeof(*roots));
	CLEANUP(free_p) struct first_seen_blob *blobs = NULL;
	struct first_seen_job job = {.project = s->p,
				     .roots = roots,
				     .n = n,
				     .progress = s->fn,
				     .arg = s->arg,
				     .census = &s->census};
	struct index_fill fill = {.project = s->p,
				  .number = &s->number,
				  .roots = roots,
				  .anew = s->anew,
				  .record = &s->rec};
	int r;

	for (size_t i = 0; i < n; i++)
		roots[i] = (struct first_seen_root){.tree = s->number.nodes[i].f.tree,
						    .base = base_of(s, &s->number.nodes[i])};
	r = first_seen_find(&job, &blobs, &fill.n_blobs);
	if (r)
		return r;
	if (s->fn)
		s->fn("writing the index", n, n, s->arg);
	fill.blobs = blobs;
	return index_fill(&fill);
}

static bool record_changed(const struct project_record *a, const struct project_record *b)
{
	return a->counted != b->counted || a->last != b->last || a->count != b->count ||
	       a->fragments_seen != b->fragments_seen || a->seen.a != b->seen.a ||
	       a->seen.b != b->seen.b;
}

/* Numbers, publishes, indexes. 0, FRAGMENT_REF_CLASH, or a fault. */
static int number_and_fill(struct pass *s)
{
	struct project_record old = s->rec;
	uint32_t last = highest(s);
	int64_t n_new = number_assign(&s->number, last + 1);
	int r;

	if (n_new < 0)
		return (int)n_new;
	s->n_new = (uint32_t)n_new;
	r = publish(s);
	if (r)
		return r;
	s->rec.last = last + s->n_new;
	s->rec.count = (s->anew ? 0 : s->rec.count) + (uint32_t)s->number.n_nodes;
	s->rec.counted = true;
	s->rec.seen = s->seen;
	s->rec.fragments_seen = fingerprint_fragments(s->dir_fd);
	/* Our own refs are part of the fingerprint now. Had others moved meanwhile, they would be
	 * missed, so it is only taken as seen when nothing was written. */
	if (s->n_new)
		s->rec.seen = (struct fingerprint){0};
	if (s->number.n_nodes || s->anew)
		return fill_index(s);
	if (s->seen.racy || !record_changed(&old, &s->rec))
		return 0;
	return project_record_write(s->ix, project_id(s->p), &s->rec);
}

static int pass_run(struct pass *s)
{
	bool touched = s->rec.fragments_seen != fingerprint_fragments(s->dir_fd);
	int r;

	s->anew |= !s->rec.counted;
	r = refs_scan_read(s->dir_fd, s->anew || touched, &s->scan);
	if (!r && !s->anew && touched)
		r = compare_refs(s);
	if (!r)
		r = walk(s);
	return r ? r : number_and_fill(s);
}

static int read_record(struct pass *s)
{
	int r = project_record_read(s->ix, project_id(s->p), &s->rec);

	if (r == INDEX_MISSING) {
		s->rec = (struct project_record){0};
		(void)snprintf(s->rec.name, sizeof(s->rec.name), "%s", project_name(s->p));
	}
	return r < 0 ? r : 0;
}

static int take_fingerprint(struct project *p, int dir_fd, struct fingerprint *ret)
{
	int r = dir_fd < 0 || project_is_gone(p) ? -ENOENT : fingerprint_take(dir_fd, ret);

	return r == -ENOENT ? (int)PROJECT_GONE : r;
}

static void remember(struct project *p, const struct fingerprint *seen, uint32_t last)
{
	LOCKED(&p->lock);
	p->seen = *seen;
	p->last = last;
}

/* True when nothing moved since this process looked last. */
static bool is_remembered(struct project *p, const struct fingerprint *seen, uint32_t *last)
{
	LOCKED(&p->lock);
	*last = p->last;
	return fingerprint_same(&p->seen, seen);
}

static int attempt(struct pass *s, struct refresh_result *ret)
{
	int r = take_fingerprint(s->p, s->dir_fd, &s->seen);

	if (!r)
		r = read_record(s);
	if (r)
		return r;
	if (!s->anew && s->rec.counted && fingerprint_same(&s->seen, &s->rec.seen)) {
		*ret = (struct refresh_result){.refs_changed = true, .last = s->rec.last};
		remember(s->p, &s->seen, s->rec.last);
		return 0;
	}
	r = pass_run(s);
	if (r < 0 && project_is_gone(s->p))
		return PROJECT_GONE;
	if (r)
		return r;
	*ret = (struct refresh_result){.refs_changed = true,
				       .n_new = s->n_new,
				       .last = s->rec.last,
				       .n_refused = s->census.n_refused,
				       .n_damaged = s->census.n_damaged + s->number.n_bad};
	remember(s->p, &s->rec.seen, s->rec.last);
	return 0;
}

static int refresh(struct project *p, bool anew, refresh_progress_fn fn, void *arg,
		   struct refresh_result *ret)
{
	CLEANUP(close_p) int dir_fd = project_dir_open(p);
	CLEANUP(close_p) int lock = -1;
	int r = project_lock_file(p, "fragfs.numbering.lock", "numbering", true, &lock);

	if (r)
		return r;
	r = FRAGMENT_REF_CLASH;
	/* A clash means that somebody numbers with another index: his refs are read, then ours follow. */
	for (int i = 0; i < ATTEMPTS && r == FRAGMENT_REF_CLASH; i++) {
		CLEANUP(pass_deinit)
		struct pass s = {
			.p = p,
			.ix = store_index(project_store(p)),
			.dir_fd = dir_fd,
			.fn = fn,
			.arg = arg,
			.anew = anew,
		};

		number_init(&s.number);
		r = attempt(&s, ret);
	}
	if (r == FRAGMENT_REF_CLASH)
		return fail(-EAGAIN,
			    "number the fragments of project '%s': its refs keep changing",
			    project_name(p));
	return r;
}

/* Whether the index, which any process may have brought up to date, is up to date: 0, 1, or a fault. */
static int is_recorded(struct project *p, const struct fingerprint *seen, uint32_t *last)
{
	struct project_record rec;
	int r = project_record_read(store_index(project_store(p)), project_id(p), &rec);

	if (r)
		return r < 0 ? r : 1;
	*last = rec.last;
	return !(rec.counted && fingerprint_same(seen, &rec.seen));
}

int refresh_project(struct project *p, refresh_progress_fn fn, void *arg,
		    struct refresh_result *ret)
{
	struct fingerprint now;
	uint32_t last;
	CLEANUP(close_p) int dir_fd = project_dir_open(p);
	int r = take_fingerprint(p, dir_fd, &now);

	if (r)
		return r;
	if (is_remembered(p, &now, &last)) {
		*ret = (struct refresh_result){.last = last};
		return 0;
	}
	r = is_recorded(p, &now, &last);
	if (r < 0)
		return r;
	if (!r) {
		*ret = (struct refresh_result){.refs_changed = true, .last = last};
		remember(p, &now, last);
		return 0;
	}
	return refresh(p, false, fn, arg, ret);
}

int refresh_rebuild(struct project *p, refresh_progress_fn fn, void *arg)
{
	struct refresh_result result;

	return refresh(p, true, fn, arg, &result);
}

struct rebuild {
	struct store *st;
	refresh_progress_fn fn;
	void *arg;
	int fault;
};

static int rebuild_one(const char *name, void *arg)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct rebuild *all = arg;
	int r = project_open(all->st, name, &p);

	if (r > 0)
		log_warn("project '%s' is no git repository, ignoring it", name);
	if (!r)
		r = refresh_rebuild(p, all->fn, all->arg);
	/* One project that cannot be read must not keep the others from being found. */
	if (r < 0 && !all->fault)
		all->fault = r;
	return 0;
}

int refresh_rebuild_all(struct store *st, refresh_progress_fn fn, void *arg)
{
	struct rebuild all = {.st = st, .fn = fn, .arg = arg};
	int r = project_each(st, rebuild_one, &all);

	return r ? r : all.fault;
}
