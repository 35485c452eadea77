/* Commits: broken ones read, new ones written as one pack, and git agrees with both. */
#include "store/commit.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/judge.h"
#include "tests/repo.h"

#define TREE "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
#define WHO  "A <a@b> 1700000000 +0100\n"

static struct commit *parse(const char *text)
{
	struct commit *c = NULL;

	assert_int_equal(commit_parse(text, strlen(text), &c), 0);
	assert_non_null(c);
	return c;
}

static void reads_every_field_of_a_whole_commit(void **state)
{
	struct commit *c =
		parse(TREE "parent 1111111111111111111111111111111111111111\n"
			   "parent 2222222222222222222222222222222222222222\n"
			   "author A U Thor <a@example.com> 1700000000 -0130\n"
			   "committer C <> 1800000000 +0545\n"
			   "gpgsig -----BEGIN\n parent fake\n author fake\n -----END\n"
			   "\n\nFirst line\ncontinues\n\nBody.\n");

	assert_int_equal(c->tree.id[0], 0x4b);
	assert_int_equal(c->n_parents, 2);
	assert_int_equal(c->parents[1].id[19], 0x22);
	assert_string_equal(c->author.name, "A U Thor");
	assert_string_equal(c->author.email, "a@example.com");
	assert_int_equal(c->author.time, 1700000000);
	assert_int_equal(c->author.tz, -90);
	assert_string_equal(c->committer.name, "C");
	assert_string_equal(c->committer.email, "");
	assert_int_equal(c->committer.tz, 345);
	assert_string_equal(c->title, "First line continues");
	assert_string_equal(c->message, "\nFirst line\ncontinues\n\nBody.\n");
	commit_free(c);
}

struct bad_who {
	const char *line, *name, *email;
	int64_t time;
	int tz;
};

static void survives_broken_people_and_dates(void **state)
{
	static const struct bad_who rows[] = {
		{"", "", "", 0, 0},
		{"A", "A", "", 0, 0},
		{"A <a@b", "A", "a@b", 0, 0},
		{"<a@b> 5 +0000", "", "a@b", 5, 0},
		{"A <a@b> ", "A", "a@b", 0, 0},
		{"A <a@b> later", "A", "a@b", 0, 0},
		{"A <a@b> -5 +0100", "A", "a@b", -5, 60},
		{"A <a@b> 99999999999999999999 +0000", "A", "a@b", INT64_MAX, 0},
		{"A <a@b> 7 +99999", "A", "a@b", 7, 0},
		{"A <a@b> 7 -9999", "A", "a@b", 7, -(99 * 60 + 99)},
		{"A <a <b> c> 7 +0000", "A", "a <b", 7, 0},
		{"A > B <a@b> 7 +0000", "A > B", "a@b", 7, 0},
		{"  A  <  a@b  >   7   +0000", "A", "a@b", 7, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CLEANUP(free_p) char *text = alloc_fmt(TREE "author %s\n\nm\n", rows[i].line);
		struct commit *c = parse(text);

		assert_string_equal(c->author.name, rows[i].name);
		assert_string_equal(c->author.email, rows[i].email);
		assert_int_equal(c->author.time, rows[i].time);
		assert_int_equal(c->author.tz, rows[i].tz);
		commit_free(c);
	}
}

static void needs_nothing_but_a_tree(void **state)
{
	struct commit *c = parse(TREE);

	assert_int_equal(c->n_parents, 0);
	assert_string_equal(c->author.name, "");
	assert_string_equal(c->message, "");
	assert_string_equal(c->title, "");
	commit_free(c);
}

static void refuses_bytes_that_name_no_tree(void **state)
{
	static const char *const rows[] = {
		"", "tree", "tree 12\n", "parent x\n" TREE, "\n" TREE, "author " WHO};
	struct commit *c = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(commit_parse(rows[i], strlen(rows[i]), &c), COMMIT_BAD);
	assert_null(c);
}

static void no_truncation_is_read_past_its_end(void **state)
{
	static const char whole[] =
		TREE "author " WHO "committer " WHO "encoding latin1\n\nm\xe9";

	for (size_t len = 0; len < sizeof(whole); len++) {
		CLEANUP(free_p) char *part = malloc(len ? len : 1);
		struct commit *c = NULL;

		memcpy(part, whole, len);
		if (!commit_parse(part, len, &c))
			commit_free(c);
	}
}

static void brings_a_named_encoding_to_utf8(void **state)
{
	struct commit *c =
		parse(TREE "author J\xfcrg <j@x> 1 +0000\nencoding ISO-8859-1\n\nna\xefve\n");

	assert_string_equal(c->author.name, "J\xc3\xbcrg");
	assert_string_equal(c->message, "na\xc3\xafve\n");
	commit_free(c);
	c = parse(TREE "encoding latin-1\n\n\xe9\n");
	assert_string_equal(c->message, "\xc3\xa9\n");
	commit_free(c);
	c = parse(TREE "encoding Shift_JIS\n\n\x83\x65\x83\x58\x83\x67\n");
	assert_string_equal(c->message, "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88\n");
	commit_free(c);
}

static void keeps_bytes_whose_encoding_is_unknown_or_wrong(void **state)
{
	struct commit *c = parse(TREE "encoding ../../x\n\n\xe9\n");

	assert_string_equal(c->message, "\xe9\n");
	commit_free(c);
	c = parse(TREE "encoding EUC-JP\n\nab\xff\n");
	assert_string_equal(c->message, "ab\xff\n");
	commit_free(c);
	c = parse(TREE "\n\xe9\n");
	assert_string_equal(c->message, "\xe9\n");
	commit_free(c);
}

static void reads_a_commit_with_a_hundred_parents(void **state)
{
	struct repo *r = *state;
	struct commit *c = NULL;
	struct oid id = repo_oid(
		r,
		"t=$(git mktree </dev/null); p=; for i in $(seq 100); do p=\"$p -p $(echo $i | "
		"git commit-tree $t)\"; done; echo octopus | git commit-tree $t $p");

	assert_int_equal(commit_read(r->p, &id, &c), 0);
	assert_int_equal(c->n_parents, 100);
	assert_true(oid_eq(&c->id, &id));
	assert_string_equal(c->title, "octopus");
	commit_free(c);
}

static void tells_a_missing_commit_from_another_object(void **state)
{
	struct repo *r = *state;
	struct oid none = {{1}}, blob = repo_oid(r, "echo x | git hash-object -w --stdin");
	struct commit *c = NULL;

	assert_int_equal(commit_read(r->p, &none, &c), COMMIT_MISSING);
	assert_int_equal(commit_read(r->p, &blob, &c), -EIO);
	assert_null(c);
}

static struct commit_who who(const char *name, const char *email, int64_t t, int16_t tz)
{
	return (struct commit_who){(char *)(uintptr_t)name, (char *)(uintptr_t)email, t, tz};
}

static struct commit_file file(const char *path, uint32_t mode, const char *text)
{
	return (struct commit_file){path, mode, text, strlen(text), NULL};
}

static struct commit_spec spec_of(const struct commit_file *files, size_t n)
{
	return (struct commit_spec){
		.files = files,
		.n_files = n,
		.author = who("A U Thor", "author@example.com", 1700000000, 60),
		.committer = who("C O Mitter", "committer@example.com", 1700000000, 60),
		.message = "message\n"};
}

static void writes_what_git_would_have_written(void **state)
{
	struct repo *r = *state;
	const struct commit_file files[] = {
		file("b/c", MODE_FILE, "c"),        file("a.c", MODE_EXEC, "#!\n"),
		file("a/x/deep/er", MODE_FILE, ""), file("a0", MODE_LINK, "a/x"),
		file("a/b", MODE_FILE, "c"),
	};
	struct commit_spec spec = spec_of(files, 5);
	struct oid id, git;

	assert_int_equal(commit_write(r->p, &spec, &id), 0);
	git = repo_oid(r,
		       "mkdir -p a/x/deep b; printf c >b/c; printf '#!\\n' >a.c; chmod +x a.c; "
		       ": >a/x/deep/er; ln -s a/x a0; printf c >a/b; git add -A; "
		       "echo message | git commit-tree $(git write-tree)");
	assert_true(oid_eq(&id, &git));
	(void)repo_sh(r, "git fsck --strict --full 2>/dev/null");
	assert_string_equal(repo_sh(r, "ls $GIT_DIR/objects/pack/*.pack | wc -l"), "1");
}

static void writes_an_empty_tree_and_a_large_blob(void **state)
{
	struct repo *r = *state;
	CLEANUP(free_p) char *big = malloc(5000000);
	const struct commit_file files[] = {{"big", MODE_FILE, big, 5000000, NULL}};
	struct commit_spec spec = spec_of(files, 0);
	struct commit *c = NULL;
	uint64_t x = 88172645463325252;
	struct oid id;

	assert_int_equal(commit_write(r->p, &spec, &id), 0);
	assert_int_equal(commit_read(r->p, &id, &c), 0);
	assert_int_equal(c->tree.id[0], 0x4b);
	commit_free(c);
	for (size_t i = 0; i < 5000000; i += 8) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		memcpy(big + i, &x, 8);
	}
	spec.n_files = 1;
	spec.parents = &id;
	spec.n_parents = 1;
	assert_int_equal(commit_write(r->p, &spec, &id), 0);
	(void)repo_sh(r, "git fsck --strict --full 2>/dev/null");
}

static void refuses_what_could_not_be_shown(void **state)
{
	struct repo *r = *state;
	static const struct commit_file rows[][2] = {
		{{"a", MODE_FILE, "", 0, NULL}, {"a", MODE_FILE, "", 0, NULL}},
		{{"a", MODE_FILE, "", 0, NULL}, {"a/b", MODE_FILE, "", 0, NULL}},
		{{"x/a", MODE_LINK, "t", 1, NULL}, {"x/a/b", MODE_FILE, "", 0, NULL}},
		{{"../a", MODE_FILE, "", 0, NULL}, {"b", MODE_FILE, "", 0, NULL}},
		{{".git/config", MODE_FILE, "", 0, NULL}, {"b", MODE_FILE, "", 0, NULL}},
		{{"a//b", MODE_FILE, "", 0, NULL}, {"b", MODE_FILE, "", 0, NULL}},
		{{"", MODE_FILE, "", 0, NULL}, {"b", MODE_FILE, "", 0, NULL}},
		{{"a", 0104755, "", 0, NULL}, {"b", MODE_FILE, "", 0, NULL}},
		{{"a", MODE_TREE, "", 0, NULL}, {"b", MODE_FILE, "", 0, NULL}},
		{{"a", MODE_LINK, "", 0, NULL}, {"b", MODE_FILE, "", 0, NULL}},
		{{"a", MODE_LINK, "x\0y", 3, NULL}, {"b", MODE_FILE, "", 0, NULL}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct commit_spec spec = spec_of(rows[i], 2);
		struct oid id;

		assert_int_equal(commit_write(r->p, &spec, &id), -EINVAL);
	}
}

static void keeps_foreign_text_out_of_the_header(void **state)
{
	struct repo *r = *state;
	struct commit_spec spec = spec_of(NULL, 0);
	struct commit *c = NULL;
	struct oid id;

	spec.author = who("  Mal <x>\nparent dead ", "<m@x>\n", -7, -90);
	spec.committer = who("", "", 0, 0);
	spec.message = "";
	assert_int_equal(commit_write(r->p, &spec, &id), 0);
	assert_int_equal(commit_read(r->p, &id, &c), 0);
	assert_string_equal(c->author.name, "Mal xparent dead");
	assert_string_equal(c->author.email, "m@x");
	assert_int_equal(c->author.time, 0);
	assert_int_equal(c->author.tz, -90);
	assert_int_equal(c->n_parents, 0);
	commit_free(c);
	(void)repo_sh(r, "git fsck --strict --full 2>/dev/null");
}

static void a_batch_is_one_pack_with_a_chain_in_it(void **state)
{
	struct repo *r = *state;
	struct commit_batch *b = NULL;
	struct oid id = {{0}};

	assert_int_equal(commit_batch_begin(r->p, &b), 0);
	for (int i = 0; i < 500; i++) {
		char text[32];
		struct commit_file files[] = {file("same", MODE_FILE, "same"),
					      file("d/n", MODE_FILE, text)};
		struct commit_spec spec = spec_of(files, 2);

		(void)snprintf(text, sizeof(text), "%d\n", i);
		files[1].len = strlen(text);
		spec.parents = &id;
		spec.n_parents = i > 0;
		assert_int_equal(commit_batch_add(b, &spec, &id), 0);
	}
	assert_int_equal(commit_batch_finish(b), 0);
	{
		CLEANUP(free_p) char *script = NULL;
		char hex[OID_HEX_LEN + 1];

		script = alloc_fmt(
			"git rev-list --count %s; git fsck --strict --full %s 2>/dev/null; "
			"git count-objects -v | grep -E '^(count|packs|in-pack):'",
			oid_hex(&id, hex), hex);
		assert_string_equal(repo_sh(r, script),
				    "500\ncount: 0\nin-pack: 2001\npacks: 1");
	}
}

static void a_refused_commit_leaves_its_batch_usable(void **state)
{
	struct repo *r = *state;
	const struct commit_file bad = file("..", MODE_FILE, "x"),
				 good = file("a", MODE_FILE, "x");
	struct commit_spec spec = spec_of(&bad, 1);
	struct commit_batch *b = NULL;
	struct commit *c = NULL;
	struct oid id;

	assert_int_equal(commit_batch_begin(r->p, &b), 0);
	assert_int_equal(commit_batch_add(b, &spec, &id), -EINVAL);
	spec.files = &good;
	assert_int_equal(commit_batch_add(b, &spec, &id), 0);
	assert_int_equal(commit_batch_finish(b), 0);
	assert_int_equal(commit_read(r->p, &id, &c), 0);
	commit_free(c);
	commit_batch_abort(NULL);
}

static void objects_that_a_pack_has_are_not_written_again(void **state)
{
	struct repo *r = *state;
	const struct commit_file f = file("a", MODE_FILE, "x");
	struct commit_spec spec = spec_of(&f, 1);
	struct oid one, two;

	assert_int_equal(commit_write(r->p, &spec, &one), 0);
	assert_int_equal(commit_write(r->p, &spec, &two), 0);
	assert_true(oid_eq(&one, &two));
	assert_string_equal(repo_sh(r, "ls $GIT_DIR/objects/pack/*.pack | wc -l"), "1");
}

static void commits_an_existing_tree(void **state)
{
	struct repo *r = *state;
	struct oid tree = repo_oid(r, "echo x >f; git add f; git write-tree"), id;
	struct commit_spec spec = spec_of(NULL, 0);
	struct commit *c = NULL;

	assert_int_equal(commit_write_tree(r->p, &tree, &spec, &id), 0);
	assert_int_equal(commit_read(r->p, &id, &c), 0);
	assert_true(oid_eq(&c->tree, &tree));
	commit_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_field_of_a_whole_commit),
		cmocka_unit_test(survives_broken_people_and_dates),
		cmocka_unit_test(needs_nothing_but_a_tree),
		cmocka_unit_test(refuses_bytes_that_name_no_tree),
		cmocka_unit_test(no_truncation_is_read_past_its_end),
		cmocka_unit_test(brings_a_named_encoding_to_utf8),
		cmocka_unit_test(keeps_bytes_whose_encoding_is_unknown_or_wrong),
		cmocka_unit_test_setup_teardown(reads_a_commit_with_a_hundred_parents,
						repo_setup, repo_teardown),
		cmocka_unit_test_setup_teardown(tells_a_missing_commit_from_another_object,
						repo_setup, repo_teardown),
		cmocka_unit_test_setup_teardown(writes_what_git_would_have_written, repo_setup,
						repo_teardown),
		cmocka_unit_test_setup_teardown(writes_an_empty_tree_and_a_large_blob,
						repo_setup, repo_teardown),
		cmocka_unit_test_setup_teardown(refuses_what_could_not_be_shown, repo_setup,
						repo_teardown),
		cmocka_unit_test_setup_teardown(keeps_foreign_text_out_of_the_header,
						repo_setup, repo_teardown),
		cmocka_unit_test_setup_teardown(a_batch_is_one_pack_with_a_chain_in_it,
						repo_setup, repo_teardown),
		cmocka_unit_test_setup_teardown(a_refused_commit_leaves_its_batch_usable,
						repo_setup, repo_teardown),
		cmocka_unit_test_setup_teardown(objects_that_a_pack_has_are_not_written_again,
						repo_setup, repo_teardown),
		cmocka_unit_test_setup_teardown(commits_an_existing_tree, repo_setup,
						repo_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
