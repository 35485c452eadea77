/* Fragments: their names, their records, and going over them. */
#include "store/fragment.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "store/commit_raw.h"
#include "store/fragment_record.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/project.h"
#include "store/project_record.h"
#include "store/refresh.h"
#include "store/store.h"
#include "tests/repo.h"

static struct fragment sample(void)
{
	struct fragment f = {
		.seq = 42, .time = -5, .tz = -90, .n_parents = 3, .slug = "add-login"};

	memset(f.commit.id, 0x12, sizeof(f.commit.id));
	memset(f.tree.id, 0x34, sizeof(f.tree.id));
	return f;
}

static void names_a_fragment_by_number_hash_and_slug(void **state)
{
	struct fragment f = sample();
	char name[FRAGMENT_NAME_MAX];

	assert_int_equal(fragment_name(&f, name), 28);
	assert_string_equal(name, "00042-121212121212-add-login");
	*f.slug = '\0';
	f.seq = UINT32_MAX;
	assert_int_equal(fragment_name(&f, name), 23);
	assert_string_equal(name, "4294967295-121212121212");
	memset(f.slug, 'x', FRAGMENT_SLUG_MAX);
	assert_int_equal(fragment_name(&f, name), 24 + FRAGMENT_SLUG_MAX);
}

static void reads_the_number_of_a_name(void **state)
{
	static const struct {
		const char *name;
		uint32_t seq;
	} table[] = {
		{"00042-121212121212-add-login", 42},
		{"42", 42},
		{"4294967295", UINT32_MAX},
		{"4294967296", 0},
		{"99999999999999999999999", 0},
		{"", 0},
		{"-1", 0},
		{"x42", 0},
		{"42x", 0},
		{"0", 0},
		{"42-", 42},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_int_equal(fragment_seq_of_name(table[i].name), table[i].seq);
}

static void decodes_what_it_encodes_and_nothing_else(void **state)
{
	unsigned char key[INDEX_FRAGMENT_KEY_LEN], val[FRAGMENT_RECORD_MAX + 1];
	struct fragment f = sample(), got = {0};
	size_t len = fragment_record_encode(&f, val);

	index_fragment_key(7, 42, key);
	assert_int_equal(fragment_record_decode(key, sizeof(key), val, len, &got), 0);
	assert_memory_equal(&got, &f, sizeof(f));
	for (size_t n = 0; n < INDEX_FRAGMENT_FIXED_LEN; n++)
		assert_int_equal(fragment_record_decode(key, sizeof(key), val, n, &got),
				 -EINVAL);
	assert_int_equal(fragment_record_decode(key, sizeof(key) - 1, val, len, &got), -EINVAL);
	val[len - 1] = '/';
	assert_int_equal(fragment_record_decode(key, sizeof(key), val, len, &got), -EINVAL);
	memset(val + INDEX_FRAGMENT_FIXED_LEN, 'a', FRAGMENT_SLUG_MAX + 1);
	assert_int_equal(
		fragment_record_decode(key, sizeof(key), val,
				       INDEX_FRAGMENT_FIXED_LEN + FRAGMENT_SLUG_MAX + 1, &got),
		-EINVAL);
	index_fragment_key(7, 0, key);
	assert_int_equal(fragment_record_decode(key, sizeof(key), val, len, &got), -EINVAL);
}

static void makes_slugs_that_any_filesystem_takes(void **state)
{
	static const struct {
		const char *title, *slug;
	} table[] = {
		{"Add the Login-Form!", "add-the-login-form"},
		{"  ..//  ", ""},
		{"\xc3\xa4pfel & b\xc3\xbcro", "pfel-b-ro"},
		{"0123456789012345678901234567890123456789x",
		 "0123456789012345678901234567890123456789"},
		{"012345678901234567890123456789012345678 x",
		 "012345678901234567890123456789012345678"},
		{"a\033[31mb", "a-31mb"},
	};
	char slug[FRAGMENT_SLUG_MAX + 1];

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct commit_raw c = {.title = table[i].title,
				       .title_len = strlen(table[i].title)};

		commit_raw_slug(&c, slug, sizeof(slug));
		assert_string_equal(slug, table[i].slug);
	}
}

static void reads_commits_of_any_shape_without_running_past_them(void **state)
{
	static const char text[] = "tree 1234567890123456789012345678901234567890\n"
				   "parent abcdefabcdefabcdefabcdefabcdefabcdefabcd\n"
				   "parent 0000000000000000000000000000000000000001\n"
				   "author A <a@x> 5 +0000\n"
				   "committer C > <c@x> 1700000000 -0130\n"
				   "gpgsig x\n  y\n\n\nTitle here\nbody\n";
	struct commit_raw c;
	struct oid parent;

	assert_int_equal(commit_raw_parse(text, sizeof(text) - 1, &c), 0);
	assert_int_equal(c.n_parents, 2);
	assert_int_equal(c.time, 1700000000);
	assert_int_equal(c.tz, -90);
	assert_int_equal(c.title_len, 10);
	assert_memory_equal(c.title, "Title here", 10);
	parent = commit_raw_parent(&c, 1);
	assert_int_equal(parent.id[OID_LEN - 1], 1);
	for (size_t n = 0; n < sizeof(text); n++) {
		/* On the heap and without a NUL, so that sanitizers see a step too far. */
		char *part = malloc(n ? n : 1);

		memcpy(part, text, n);
		(void)commit_raw_parse(part, n, &c);
		free(part);
	}
	assert_int_equal(commit_raw_parse("tree x\n", 7, &c), -EINVAL);
	assert_int_equal(commit_raw_parse("", 0, &c), -EINVAL);
}

struct visit {
	struct project *p;
	uint32_t n, first, stop_at;
};

static int count(const struct fragment *f, void *arg)
{
	struct visit *v = arg;
	struct fragment again;

	if (!v->n++)
		v->first = f->seq;
	/* Any store function may be called from here. */
	assert_int_equal(fragment_get(v->p, f->seq, &again), 0);
	assert_memory_equal(&again, f, sizeof(again));
	return f->seq == v->stop_at ? 7 : 0;
}

static int commit_once(const struct fragment *f, void *arg)
{
	struct repo *r = arg;
	struct refresh_result res;

	if (f->seq != 1)
		return f->seq > 600 ? 9 : 0;
	(void)repo_sh(r, "git commit -q --allow-empty -m more");
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
	assert_int_equal(res.last, 601);
	return 0;
}

static void goes_over_many_as_over_a_snapshot(void **state)
{
	struct repo *r = *state;
	struct visit v = {.p = r->p};
	struct refresh_result res;
	uint32_t n;

	assert_int_equal(fragment_last(r->p, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(fragment_each(r->p, 1, count, &v), 0);
	assert_int_equal(v.n, 0);
	(void)repo_sh(r, "for i in $(seq 600); do printf 'commit refs/heads/main\\ncommitter C "
			 "<c> %d +0000\\ndata 1\\nx\\n' $i; done | git fast-import --quiet");
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
	assert_int_equal(res.n_new, 600);
	assert_int_equal(fragment_each(r->p, 1, count, &v), 0);
	assert_int_equal(v.n, 600);
	v = (struct visit){.p = r->p, .stop_at = 520};
	assert_int_equal(fragment_each(r->p, 300, count, &v), 7);
	assert_int_equal(v.first, 300);
	assert_int_equal(v.n, 221);
	assert_int_equal(fragment_each(r->p, 1, commit_once, r), 0);
	assert_int_equal(fragment_count(r->p, &n), 0);
	assert_int_equal(n, 601);
}

static void says_missing_for_numbers_and_commits_it_does_not_have(void **state)
{
	struct repo *r = *state;
	struct oid other = {{1}};
	struct fragment f;

	assert_int_equal(fragment_get(r->p, 0, &f), FRAGMENT_MISSING);
	assert_int_equal(fragment_get(r->p, 1, &f), FRAGMENT_MISSING);
	assert_int_equal(fragment_by_commit(r->p, &other, &f), FRAGMENT_MISSING);
}

static void decodes_project_records_with_distrust(void **state)
{
	unsigned char val[INDEX_PROJECT_FIXED_LEN + 8] = {1, 1};
	struct project_record rec;

	memcpy(val + INDEX_PROJECT_FIXED_LEN, "good", 4);
	assert_int_equal(project_record_decode(val, INDEX_PROJECT_FIXED_LEN + 4, &rec), 0);
	assert_string_equal(rec.name, "good");
	for (size_t n = 0; n <= INDEX_PROJECT_FIXED_LEN; n++)
		assert_int_equal(project_record_decode(val, n, &rec), -EINVAL);
	memcpy(val + INDEX_PROJECT_FIXED_LEN, "../x", 4);
	assert_int_equal(project_record_decode(val, INDEX_PROJECT_FIXED_LEN + 4, &rec),
			 -EINVAL);
	memcpy(val + INDEX_PROJECT_FIXED_LEN, "a\0bc", 4);
	assert_int_equal(project_record_decode(val, INDEX_PROJECT_FIXED_LEN + 4, &rec),
			 -EINVAL);
	memcpy(val + INDEX_PROJECT_FIXED_LEN, "good", 4);
	val[0] = 2;
	assert_int_equal(project_record_decode(val, INDEX_PROJECT_FIXED_LEN + 4, &rec),
			 -EINVAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_a_fragment_by_number_hash_and_slug),
		cmocka_unit_test(reads_the_number_of_a_name),
		cmocka_unit_test(decodes_what_it_encodes_and_nothing_else),
		cmocka_unit_test(makes_slugs_that_any_filesystem_takes),
		cmocka_unit_test(reads_commits_of_any_shape_without_running_past_them),
		cmocka_unit_test(decodes_project_records_with_distrust),
		T(goes_over_many_as_over_a_snapshot),
		T(says_missing_for_numbers_and_commits_it_does_not_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
