/* Searching all versions at the price of what is distinct in them.
 *
 *	caller's thread                          workers
 *	fragments in order ─ diff with the       take a content, read it, match it,
 *	one before ─ ranges per (path, content)  keep its lines
 *	        └──── contents not met yet ──▶ bounded queue
 *
 * Consecutive fragments differ little, so walking them costs what changed, and each content is read
 * once. Nothing is told before all are done: only then the ranges are whole and the order
 * can be by path and fragment, the same whatever thread was faster.
 *
 * A fragment whose trees are damaged is counted and left out; the next one is compared with nothing.
 * `lock` guards the queue, the results and what is counted of them; the ranges belong to the caller's
 * thread alone.
 */
#include "store/search.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/judge.h"
#include "store/diff.h"
#include "store/fragment.h"
#include "store/object.h"
#include "store/project.h"
#include "store/search_scan.h"
#include "store/search_spans.h"
#include "store/tree.h"

enum {
	QUEUE = 1024,
	BATCH = 32, /* contents a worker takes at a time: waking one costs as much as reading one */
	THREADS_MAX = 16,
};

struct job {
	uint32_t blob;
	struct oid oid;
};

struct run {
	struct project *project;
	const struct search_options *o;
	const struct search_pattern *pattern;
	struct search_stats *stats;

	struct spans spans;
	struct oid tree; /* of the fragment before; zero: none */
	uint32_t last;   /* its number */
	struct pending *pending;
	size_t n_pending, pending_cap;

	pthread_mutex_t lock; /* guards what follows, and the workers' part of `stats` */
	pthread_cond_t changed;
	struct job queue[QUEUE];
	size_t head, tail;
	bool closed;              /* no more jobs */
	bool stop;                /* give up, whatever is in the queue */
	struct search_hits *hits; /* by number of the content */
	size_t hits_cap, text_bytes;
};

/* A change of one fragment, until its whole diff is known to be good. */
struct pending {
	char *path;
	enum diff_kind kind;
	bool is_file;
	struct oid oid;
};

static bool cancelled(const struct run *r)
{
	return r->o->cancel && atomic_load_explicit(r->o->cancel, memory_order_relaxed);
}

static void store_hits(struct run *r, uint32_t blob, const struct search_hits *h)
{
	size_t was = r->hits_cap;

	if (h->costly)
		r->stats->n_costly++;
	r->stats->cut = r->stats->cut || h->cut;
	if (!h->n)
		return;
	alloc_grow(&r->hits, &r->hits_cap, (size_t)blob + 1, sizeof(*r->hits));
	if (r->hits_cap > was)
		memset(r->hits + was, 0, (r->hits_cap - was) * sizeof(*r->hits));
	r->hits[blob] = *h;
	r->text_bytes += h->text_len + h->n * sizeof(*h->lines);
	if (r->text_bytes > SEARCH_RESULT_MAX)
		r->stats->cut = r->stop = true;
}

/* Reads and matches one content; true when it could be read. Counts into `s`. */
static bool look(struct run *r, struct search_scan *scan, const struct oid *oid,
		 struct search_hits *h, struct search_stats *s)
{
	CLEANUP(git_odb_object_freep) git_odb_object *obj = NULL;
	git_object_t type;
	const char *data;
	size_t size;

	if (object_header(r->project, oid, &type, &size) || type != GIT_OBJECT_BLOB)
		return false;
	if (size > SEARCH_BLOB_MAX) {
		s->n_large++;
		return true;
	}
	if (object_read(r->project, oid, &obj))
		return false;
	data = git_odb_object_data(obj);
	s->n_blobs++;
	s->n_bytes += size;
	if (!r->o->binary && search_is_binary(data, size))
		s->n_binary++;
	else
		search_scan_run(scan, data, size, h);
	return true;
}

static void work_on(struct run *r, struct search_scan *scan, const struct job *job)
{
	struct search_stats s = {0};
	struct search_hits h = {0};

	if (!look(r, scan, &job->oid, &h, &s))
		s.n_unread++;
	pthread_mutex_lock(&r->lock);
	r->stats->n_blobs += s.n_blobs;
	r->stats->n_bytes += s.n_bytes;
	r->stats->n_binary += s.n_binary;
	r->stats->n_large += s.n_large;
	r->stats->n_unread += s.n_unread;
	store_hits(r, job->blob, &h);
	pthread_mutex_unlock(&r->lock);
}

/* Waits for jobs and takes some; 0 when there are no more. */
static size_t take_jobs(struct run *r, struct job ret[BATCH])
{
	LOCKED(&r->lock);
	size_t n = 0;

	while (r->head - r->tail < BATCH && !r->closed && !r->stop)
		pthread_cond_wait(&r->changed, &r->lock);
	if (r->stop)
		return 0;
	/* The walker waits for room only when there is none. */
	if (r->head - r->tail == QUEUE)
		pthread_cond_broadcast(&r->changed);
	while (n < BATCH && r->head != r->tail)
		ret[n++] = r->queue[r->tail++ % QUEUE];
	return n;
}

static void *worker(void *arg)
{
	struct run *r = arg;
	struct search_scan *scan = NULL;
	struct job jobs[BATCH];
	size_t n;

	if (search_scan_new(r->pattern, &scan)) {
		pthread_mutex_lock(&r->lock);
		r->stop = true;
		pthread_cond_broadcast(&r->changed);
		pthread_mutex_unlock(&r->lock);
		return NULL;
	}
	while ((n = take_jobs(r, jobs))) {
		for (size_t i = 0; i < n && !cancelled(r); i++)
			work_on(r, scan, &jobs[i]);
	}
	pthread_mutex_lock(&r->lock);
	r->stop = r->stop || cancelled(r);
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	search_scan_free(scan);
	return NULL;
}

/* False when the search is over. */
static bool push_job(struct run *r, uint32_t blob, const struct oid *oid)
{
	LOCKED(&r->lock);

	while (r->head - r->tail == QUEUE && !r->stop && !cancelled(r))
		pthread_cond_wait(&r->changed, &r->lock);
	if (r->stop || cancelled(r))
		return false;
	r->queue[r->head++ % QUEUE] = (struct job){blob, *oid};
	if (r->head - r->tail == BATCH)
		pthread_cond_broadcast(&r->changed);
	return true;
}

static bool is_wanted(const struct run *r, const char *path)
{
	size_t len = r->o->below ? strlen(r->o->below) : 0;

	while (len && r->o->below[len - 1] == '/')
		len--;
	return !len || (!strncmp(path, r->o->below, len) && (!path[len] || path[len] == '/'));
}

static bool is_file_mode(uint32_t mode)
{
	return mode == MODE_FILE || mode == MODE_EXEC;
}

static int note_change(const struct diff_change *c, void *arg)
{
	struct run *r = arg;

	if (cancelled(r))
		return SEARCH_CANCELLED;
	if (!is_wanted(r, c->path) ||
	    (!is_file_mode(c->old_mode) && !is_file_mode(c->new_mode)))
		return 0;
	alloc_grow(&r->pending, &r->pending_cap, r->n_pending + 1, sizeof(*r->pending));
	r->pending[r->n_pending++] = (struct pending){.path = alloc_str(c->path),
						      .kind = c->kind,
						      .is_file = is_file_mode(c->new_mode),
						      .oid = c->new_oid};
	return 0;
}

static void drop_pending(struct run *r)
{
	while (r->n_pending)
		free(r->pending[--r->n_pending].path);
}

/* Brings the ranges to fragment `seq`. False when the search is over. */
static bool apply_pending(struct run *r, uint32_t seq)
{
	bool going = true;

	for (size_t i = 0; i < r->n_pending && going; i++) {
		const struct pending *c = &r->pending[i];
		uint32_t blob;
		bool fresh;

		if (c->kind != DIFF_ADDED)
			spans_close(&r->spans, c->path, r->last);
		if (c->kind == DIFF_DELETED || !c->is_file)
			continue;
		blob = spans_blob(&r->spans, &c->oid, &fresh);
		spans_open(&r->spans, c->path, blob, seq);
		going = !fresh || push_job(r, blob, &c->oid);
	}
	drop_pending(r);
	return going;
}

/* Goes from the tree before to `tree`, which is the one of fragment `seq`. */
static int advance(struct run *r, const struct oid *tree, uint32_t seq)
{
	int d = diff_trees(r->project, &r->tree, tree, note_change, r);

	if (d == SEARCH_CANCELLED && cancelled(r)) {
		drop_pending(r);
		return SEARCH_CANCELLED;
	}
	if (!d) {
		r->tree = *tree;
		return apply_pending(r, seq) ? 0 : SEARCH_CANCELLED;
	}
	drop_pending(r);
	pthread_mutex_lock(&r->lock);
	r->stats->n_unread++;
	pthread_mutex_unlock(&r->lock);
	/* Nothing is known to be there: everything ends with the fragment before. */
	spans_close_all(&r->spans, r->last);
	r->tree = (struct oid){{0}};
	return 0;
}

static int visit(const struct fragment *f, void *arg)
{
	struct run *r = arg;
	int d;

	if (r->o->to && f->seq > r->o->to)
		return SEARCH_CANCELLED;
	r->stats->n_fragments++;
	d = advance(r, &f->tree, f->seq);
	r->last = f->seq;
	return d;
}

static int walk(struct run *r)
{
	int d;

	if (!r->o->tree)
		d = fragment_each(r->project, r->o->from, visit, r);
	else
		d = advance(r, r->o->tree, r->last = 1);
	spans_close_all(&r->spans, r->last);
	if (cancelled(r))
		return SEARCH_CANCELLED;
	/* Ends of our own making: the last fragment asked for, or enough found. */
	return d == SEARCH_CANCELLED ? 0 : d;
}

static int by_path_and_seq(const void *a, const void *b)
{
	const struct span_file *x = a, *y = b;
	int c = strcmp(x->path, y->path);

	return c ? c
		 : (x->ranges[0].from > y->ranges[0].from) -
			       (x->ranges[0].from < y->ranges[0].from);
}

static int tell(struct run *r, search_fn fn, void *arg)
{
	struct oid *oids = alloc_array((size_t)r->spans.n_blobs + 1, sizeof(*oids)), oid;
	size_t at = 0;
	uint64_t blob;
	int d = 0;

	while (oidmap_next(&r->spans.blobs, &at, &oid, &blob))
		oids[blob] = oid;
	if (r->spans.n_files)
		qsort(r->spans.files, r->spans.n_files, sizeof(*r->spans.files),
		      by_path_and_seq);
	for (size_t i = 0; i < r->spans.n_files && !d && !cancelled(r); i++) {
		const struct span_file *f = &r->spans.files[i];
		const struct search_hits *h = f->blob < r->hits_cap ? &r->hits[f->blob] : NULL;

		if (!h || !h->n)
			continue;
		r->stats->n_files++;
		r->stats->n_lines += h->n;
		d = fn(&(struct search_file){.path = f->path,
					     .blob = oids[f->blob],
					     .ranges = f->ranges,
					     .n_ranges = r->o->tree ? 0 : f->n,
					     .lines = h->lines,
					     .n_lines = h->n},
		       arg);
	}
	free(oids);
	return d || !cancelled(r) ? d : (int)SEARCH_CANCELLED;
}

static unsigned n_threads(const struct search_options *o)
{
	long n = o->n_threads ? (long)o->n_threads : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

/* Walks with workers beside; all of them are gone when it returns. */
static int walk_with_workers(struct run *r)
{
	pthread_t threads[THREADS_MAX];
	unsigned n = 0, want = n_threads(r->o);
	int d;

	while (n < want && !pthread_create(&threads[n], NULL, worker, r))
		n++;
	if (!n)
		return fail(-EAGAIN, "start a thread to search with");
	d = walk(r);
	pthread_mutex_lock(&r->lock);
	r->closed = true;
	r->stop = r->stop || d;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	while (n)
		pthread_join(threads[--n], NULL);
	return d;
}

static void run_deinit(struct run *r)
{
	drop_pending(r);
	free(r->pending);
	for (size_t i = 0; i < r->hits_cap; i++)
		search_hits_deinit(&r->hits[i]);
	free(r->hits);
	spans_deinit(&r->spans);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->changed);
	free(r);
}

int search_run(struct project *p, const struct search_options *o, search_fn fn, void *arg,
	       struct search_stats *stats)
{
	struct search_pattern *pattern = NULL;
	struct run *r;
	int d;

	*stats = (struct search_stats){0};
	d = search_pattern_new(o, &pattern, stats->why);
	if (d)
		return d;
	r = alloc_zero(sizeof(*r));
	r->project = p;
	r->o = o;
	r->pattern = pattern;
	r->stats = stats;
	spans_init(&r->spans);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	d = walk_with_workers(r);
	if (!d)
		d = tell(r, fn, arg);
	run_deinit(r);
	search_pattern_free(pattern);
	return d;
}

int search_ranges_text(const struct search_range *r, size_t n, struct buf *b)
{
	int d = 0;

	for (size_t i = 0; i < n && !d; i++) {
		d = buf_fmt(b, "%s%u", i ? "," : "", r[i].from);
		if (!d && r[i].to != r[i].from)
			d = buf_fmt(b, "-%u", r[i].to);
	}
	return d;
}
