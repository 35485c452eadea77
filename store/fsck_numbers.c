/* Three sources that must agree: refs/fragments/, the index, and the commits themselves.
 *
 * Held together under the numbering lock, so that a numberer at work is not taken for damage. Every
 * commit is read again and every field of its record derived anew.
 */
#include "store/fsck_private.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "store/commit_raw.h"
#include "store/fragment_record.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/object.h"
#include "store/project_private.h"
#include "store/project_record.h"
#include "store/store.h"

enum { PROGRESS_EVERY = 1024 };

struct numbers {
	struct fsck_run *run;
	struct refs_scan scan;
	struct oidmap seq_of; /* commit → number, of the records */
	struct fragment *records;
	size_t n_records, cap;
};

static void numbers_deinit(struct numbers *n)
{
	refs_scan_deinit(&n->scan);
	oidmap_deinit(&n->seq_of);
	free(n->records);
}

static int take_record(const void *key, size_t key_len, const void *val, size_t val_len,
		       void *arg)
{
	struct numbers *n = arg;
	struct fragment f;

	if (fragment_record_decode(key, key_len, val, val_len, &f)) {
		fsck_say(n->run, FSCK_PROBLEM,
			 "a fragment's record does not decode; `frag reindex` makes it anew");
		return 0;
	}
	if (!oidmap_add(&n->seq_of, &f.commit, f.seq))
		fsck_say(n->run, FSCK_PROBLEM, "fragments %u and %u are the same commit",
			 (unsigned)*oidmap_find(&n->seq_of, &f.commit), f.seq);
	alloc_grow(&n->records, &n->cap, n->n_records + 1, sizeof(*n->records));
	n->records[n->n_records++] = f;
	return 0;
}

static int take_commit(const void *key, size_t key_len, const void *val, size_t val_len,
		       void *arg)
{
	struct numbers *n = arg;
	char hex[OID_HEX_LEN + 1];
	struct reader in;
	struct oid commit;
	const uint64_t *seq;

	if (key_len != INDEX_OID_KEY_LEN || val_len != INDEX_COMMIT_LEN)
		return 0;
	memcpy(commit.id, (const char *)key + 8, OID_LEN);
	reader_init(&in, val, val_len);
	seq = oidmap_find(&n->seq_of, &commit);
	if (!seq || *seq != reader_u32(&in))
		fsck_say(n->run, FSCK_PROBLEM,
			 "the index finds commit %s under a number that is not its own; `frag "
			 "reindex` mends it",
			 oid_hex(&commit, hex));
	return 0;
}

static bool fragment_same(const struct fragment *a, const struct fragment *b)
{
	return oid_eq(&a->tree, &b->tree) && a->time == b->time && a->tz == b->tz &&
	       a->n_parents == b->n_parents && !strcmp(a->slug, b->slug);
}

static void check_parents(struct numbers *n, const struct fragment *f,
			  const struct commit_raw *c)
{
	for (size_t i = 0; i < c->n_parents; i++) {
		struct oid parent = commit_raw_parent(c, i);
		const uint64_t *seq = oidmap_find(&n->seq_of, &parent);
		char hex[OID_HEX_LEN + 1];

		if (!seq)
			fsck_say(n->run, FSCK_PROBLEM,
				 "fragment %u: its parent %s has no number (missing or "
				 "damaged?)",
				 f->seq, oid_hex(&parent, hex));
		else if (*seq >= f->seq)
			fsck_say(n->run, FSCK_PROBLEM, "fragment %u comes before its parent %u",
				 f->seq, (unsigned)*seq);
	}
}

static void add_fragment(struct fsck_run *run, const struct fragment *f)
{
	alloc_grow(&run->fragments, &run->fragments_cap, run->n_fragments + 1,
		   sizeof(*run->fragments));
	run->fragments[run->n_fragments++] =
		(struct fsck_fragment){.seq = f->seq, .tree = f->tree, .time = f->time};
}

/* The commit behind a record, read again. */
static int check_commit(struct numbers *n, const struct fragment *f)
{
	CLEANUP(git_odb_object_freep) git_odb_object *o = NULL;
	struct fragment again = {.seq = f->seq, .commit = f->commit};
	char hex[OID_HEX_LEN + 1];
	struct commit_raw c;
	git_oid hash;
	int r = object_read(n->run->p, &f->commit, &o);

	n->run->result->n_fragments++;
	if (r == -ENOMEM)
		return r;
	if (r || git_odb_object_type(o) != GIT_OBJECT_COMMIT ||
	    commit_raw_parse(git_odb_object_data(o), git_odb_object_size(o), &c)) {
		fsck_say(n->run, FSCK_PROBLEM, "fragment %u: commit %s is %s", f->seq,
			 oid_hex(&f->commit, hex), r == OBJECT_MISSING ? "missing" : "damaged");
		return 0;
	}
	r = git_odb_hash(&hash, git_odb_object_data(o), git_odb_object_size(o),
			 GIT_OBJECT_COMMIT);
	if (r || memcmp(hash.id, f->commit.id, OID_LEN) != 0)
		fsck_say(n->run, FSCK_PROBLEM, "fragment %u: commit %s does not have its hash",
			 f->seq, oid_hex(&f->commit, hex));
	again.tree = c.tree;
	again.time = c.time;
	again.tz = c.tz;
	again.n_parents = c.n_parents > UINT16_MAX ? UINT16_MAX : (uint16_t)c.n_parents;
	commit_raw_slug(&c, again.slug, sizeof(again.slug));
	if (!fragment_same(f, &again))
		fsck_say(n->run, FSCK_PROBLEM,
			 "fragment %u: the index does not say what its commit says; `frag "
			 "reindex` "
			 "mends it",
			 f->seq);
	check_parents(n, f, &c);
	add_fragment(n->run, &again);
	return 0;
}

static void say_ref_without_record(struct numbers *n, const struct refs_seq *ref)
{
	char hex[OID_HEX_LEN + 1];
	git_object_t type;
	size_t size;

	oid_hex(&ref->commit, hex);
	if (object_header(n->run->p, &ref->commit, &type, &size) || type != GIT_OBJECT_COMMIT)
		fsck_say(n->run, FSCK_PROBLEM, "fragment %u: commit %s is missing or no commit",
			 ref->seq, hex);
	else if (oidmap_find(&n->seq_of, &ref->commit))
		fsck_say(n->run, FSCK_NOTE, "refs/fragments/%u is a second number of commit %s",
			 ref->seq, hex);
	else
		fsck_say(n->run, FSCK_PROBLEM,
			 "refs/fragments/%u is not in the index; `frag reindex` mends it",
			 ref->seq);
}

/* The merge of refs and records, both ascending. */
static void check_refs(struct numbers *n)
{
	uint32_t next = 1;
	size_t i = 0, j = 0;

	while (i < n->scan.n_fragments || j < n->n_records) {
		const struct refs_seq *ref =
			i < n->scan.n_fragments ? &n->scan.fragments[i] : NULL;
		const struct fragment *rec = j < n->n_records ? &n->records[j] : NULL;
		bool has_ref = ref && (!rec || ref->seq <= rec->seq);
		bool has_rec = rec && (!ref || rec->seq <= ref->seq);
		uint32_t seq = has_ref ? ref->seq : rec->seq;

		if (seq > next)
			fsck_say(n->run, FSCK_PROBLEM,
				 "numbers %u to %u have neither ref nor record: their "
				 "fragments are "
				 "lost",
				 next, seq - 1);
		next = seq + 1;
		if (has_ref && !has_rec)
			say_ref_without_record(n, ref);
		else if (!has_ref)
			fsck_say(n->run, FSCK_PROBLEM,
				 "fragment %u has lost refs/fragments/%u, which keeps it alive",
				 seq, seq);
		else if (!oid_eq(&ref->commit, &rec->commit))
			fsck_say(
				n->run, FSCK_PROBLEM,
				"refs/fragments/%u and the index name different commits; `frag "
				"reindex` follows the ref",
				seq);
		i += has_ref;
		j += has_rec;
	}
}

static void check_tips(struct numbers *n)
{
	for (size_t i = 0; i < n->scan.n_tips; i++) {
		char hex[OID_HEX_LEN + 1];
		struct oid commit;
		git_object_t type;
		size_t size;
		int r;

		if (oidmap_find(&n->seq_of, &n->scan.tips[i]))
			continue;
		oid_hex(&n->scan.tips[i], hex);
		r = object_header(n->run->p, &n->scan.tips[i], &type, &size);
		if (r) {
			fsck_say(n->run, FSCK_PROBLEM, "a ref points at %s, which is %s", hex,
				 r == OBJECT_MISSING ? "missing" : "damaged");
			continue;
		}
		r = object_peel(n->run->p, &n->scan.tips[i], &commit);
		/* Tags of trees and blobs are in order. */
		if (!r && !oidmap_find(&n->seq_of, &commit))
			fsck_say(n->run, FSCK_PROBLEM,
				 "a ref leads to commit %s, which has no number",
				 oid_hex(&commit, hex));
	}
}

static int check_record(struct numbers *n)
{
	struct project_record rec;
	int r = project_record_read(store_index(project_store(n->run->p)),
				    project_id(n->run->p), &rec);

	if (r < 0)
		return r;
	if (r || !rec.counted)
		fsck_say(n->run, FSCK_PROBLEM,
			 "the index has no record of the project; `frag "
			 "reindex` makes it");
	else if (rec.count != n->n_records ||
		 (n->n_records && rec.last < n->records[n->n_records - 1].seq))
		fsck_say(
			n->run, FSCK_PROBLEM,
			"the index counts %u fragments up to %u, but holds %zu; `frag reindex` "
			"mends it",
			rec.count, rec.last, n->n_records);
	return 0;
}

static int gather(struct numbers *n)
{
	struct index *ix = store_index(project_store(n->run->p));
	unsigned char key[INDEX_PROJECT_KEY_LEN];
	CLEANUP(close_p) int dir_fd = project_dir_open(n->run->p);
	int r = dir_fd < 0 ? (int)PROJECT_GONE : refs_scan_read(dir_fd, true, &n->scan);

	index_project_key(project_id(n->run->p), key);
	if (!r)
		r = index_each(ix, INDEX_FRAGMENT, key, sizeof(key), NULL, 0, take_record, n);
	if (!r)
		r = index_each(ix, INDEX_COMMIT, key, sizeof(key), NULL, 0, take_commit, n);
	return r;
}

int fsck_numbers(struct fsck_run *run)
{
	CLEANUP(numbers_deinit) struct numbers n = {.run = run};
	CLEANUP(close_p) int lock = -1;
	int r = project_lock_file(run->p, "fragfs.numbering.lock", "fsck", true, &lock);

	if (r)
		return r;
	oidmap_init(&n.seq_of);
	r = gather(&n);
	if (r)
		return r;
	check_refs(&n);
	check_tips(&n);
	r = check_record(&n);
	for (size_t i = 0; !r && i < n.n_records; i++) {
		r = check_commit(&n, &n.records[i]);
		if (run->how->progress && i % PROGRESS_EVERY == 0)
			run->how->progress("checking commits", i, n.n_records,
					   run->how->progress_arg);
	}
	return r;
}
