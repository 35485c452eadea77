/* Saying what a fragment is.
 *
 * Titles and names may be any bytes: for people they are made printable, in JSON a *_hex field holds the bytes where they are not
 * UTF-8. A commit that cannot be read is still listed, with its number and id from the index: a history with
 * a hole must not look like one without.
 */
#include "tools/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "store/commit.h"
#include "store/fragment.h"
#include "store/ref.h"
#include "tools/exact.h"
#include "tools/term.h"

enum { DAY_LEN = 10, REFS_SHOWN = 8 };

struct describe_ref {
	struct oid commit;
	char *name; /* without refs/heads/, refs/tags/, refs/remotes/ */
};

static int add_ref(const char *name, const struct oid *commit, void *arg)
{
	static const char *const prefixes[] = {"refs/heads/", "refs/tags/", "refs/remotes/"};
	struct describe_refs *refs = arg;
	const char *shown = name;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			shown = name + strlen(prefixes[i]);
	}
	alloc_grow(&refs->refs, &refs->cap, refs->n + 1, sizeof(*refs->refs));
	refs->refs[refs->n].commit = *commit;
	refs->refs[refs->n++].name = alloc_str(shown);
	return 0;
}

static int by_commit(const void *a, const void *b)
{
	const struct describe_ref *x = a, *y = b;
	int r = oid_cmp(&x->commit, &y->commit);

	return r ? r : strcmp(x->name, y->name);
}

int describe_refs_load(struct project *p, struct describe_refs *ret)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	r = ref_each(p, "refs/heads/", add_ref, ret);
	if (!r)
		r = ref_each(p, "refs/tags/", add_ref, ret);
	if (!r)
		r = ref_each(p, "refs/remotes/", add_ref, ret);
	if (ret->n)
		qsort(ret->refs, ret->n, sizeof(*ret->refs), by_commit);
	return r;
}

void describe_refs_free(struct describe_refs *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->refs[i].name);
	free(r->refs);
	memset(r, 0, sizeof(*r));
}

/* The first ref of the commit, or the end. */
static size_t first_ref(const struct describe_refs *refs, const struct oid *commit)
{
	size_t low = 0, high = refs ? refs->n : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (oid_cmp(&refs->refs[mid].commit, commit) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_ref_of(const struct describe_refs *refs, size_t i, const struct oid *commit)
{
	return refs && i < refs->n && oid_eq(&refs->refs[i].commit, commit);
}

static void author_json(struct json_out *o, const struct commit_who *who)
{
	CLEANUP(free_p) char *both = alloc_fmt("%s <%s>", who->name, who->email);

	exact_field(o, "author", both, strlen(both));
	exact_field(o, "author_name", who->name, strlen(who->name));
	exact_field(o, "author_email", who->email, strlen(who->email));
	exact_time_field(o, "authored", who->time, who->tz);
}

void describe_json(struct json_out *o, const struct fragment *f, const struct commit *c,
		   const struct describe_refs *refs)
{
	char name[FRAGMENT_NAME_MAX], hex[OID_HEX_LEN + 1];

	json_int_field(o, "seq", f->seq);
	exact_oid_field(o, "commit", &f->commit);
	exact_oid_field(o, "tree", &f->tree);
	(void)fragment_name(f, name);
	json_str_field(o, "name", name);
	exact_time_field(o, "time", f->time, f->tz);
	json_int_field(o, "unix", f->time);
	json_key_out(o, "parents");
	json_begin(o, '[');
	for (size_t i = 0; c && i < c->n_parents; i++)
		json_put_str(o, oid_hex(&c->parents[i], hex));
	json_end(o, ']');
	if (c) {
		exact_field(o, "title", c->title, strlen(c->title));
		author_json(o, &c->author);
	} else {
		json_str_field(o, "title", NULL);
		json_str_field(o, "author", NULL);
		json_str_field(o, "error", "the commit cannot be read");
	}
	json_key_out(o, "refs");
	json_begin(o, '[');
	for (size_t i = first_ref(refs, &f->commit); is_ref_of(refs, i, &f->commit); i++)
		json_put_str(o, refs->refs[i].name);
	json_end(o, ']');
}

static void put_refs(const struct term *t, const struct fragment *f,
		     const struct describe_refs *refs)
{
	size_t from = first_ref(refs, &f->commit), i = from;

	for (; is_ref_of(refs, i, &f->commit) && i < from + REFS_SHOWN; i++) {
		(void)fputs(i == from ? " (" : ", ", stdout);
		term_put(t, TERM_GREEN, refs->refs[i].name);
	}
	if (is_ref_of(refs, i, &f->commit))
		(void)fputs(", …", stdout);
	if (i > from)
		(void)putchar(')');
}

void describe_line(const struct term *t, const struct fragment *f, const struct commit *c,
		   const struct describe_refs *refs)
{
	char hex[OID_HEX_LEN + 1], time[CLOCK_TEXT_MAX];

	(void)printf("%5" PRIu32 " ", f->seq);
	term_start(t, TERM_YELLOW);
	(void)printf("%.12s", oid_hex(&f->commit, hex));
	term_start(t, TERM_PLAIN);
	(void)printf(" %.*s ", DAY_LEN, clock_iso(f->time, f->tz, time));
	if (c) {
		term_put(t, TERM_PLAIN, c->title);
		(void)fputs(" — ", stdout);
		term_put(t, TERM_DIM, c->author.name);
	} else {
		term_put(t, TERM_RED, "(the commit cannot be read)");
	}
	put_refs(t, f, refs);
	(void)putchar('\n');
}

void describe_full(const struct term *t, const struct fragment *f, const struct commit *c,
		   const struct describe_refs *refs)
{
	char hex[OID_HEX_LEN + 1], time[CLOCK_TEXT_MAX];

	(void)printf("fragment %" PRIu32, f->seq);
	put_refs(t, f, refs);
	(void)fputs("\ncommit   ", stdout);
	term_put(t, TERM_YELLOW, oid_hex(&f->commit, hex));
	(void)printf("\ntree     %s\n", oid_hex(&f->tree, hex));
	for (size_t i = 0; i < c->n_parents; i++)
		(void)printf("parent   %s\n", oid_hex(&c->parents[i], hex));
	(void)fputs("author   ", stdout);
	term_put(t, TERM_PLAIN, c->author.name);
	(void)fputs(" <", stdout);
	term_put(t, TERM_PLAIN, c->author.email);
	(void)printf(">\ntime     %s\n\n", clock_iso(f->time, f->tz, time));
	term_put_lines(t, "    ", c->message);
}
