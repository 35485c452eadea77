/* JSON documents: what is taken, what is refused and why, and how files are cut into them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "store/import_json_doc.h"
#include "store/import_json_plan.h"
#include "store/import_json_read.h"
#include "tests/scratch.h"

DEFINE_CLEANUP(struct import_json_doc *, import_json_doc_free)
DEFINE_CLEANUP(struct import_json_read *, import_json_read_free)

static struct import_json_doc *parse(const char *text)
{
	char why[IMPORT_JSON_WHY_MAX];
	struct import_json_doc *d = NULL;

	if (import_json_doc_parse(text, strlen(text), &d, why))
		fail_msg("refused: %s", why);
	return d;
}

static void assert_refused(const char *text, const char *because)
{
	char why[IMPORT_JSON_WHY_MAX];
	struct import_json_doc *d = NULL;

	assert_int_equal(import_json_doc_parse(text, strlen(text), &d, why),
			 IMPORT_JSON_DOC_REFUSED);
	assert_null(d);
	if (!strstr(why, because))
		fail_msg("'%s' was refused because '%s', not '%s'", text, why, because);
}

static void decodes_every_field(void **state)
{
	CLEANUP(import_json_doc_freep)
	struct import_json_doc *d =
		parse("{\"id\":\"a1\",\"title\":\"Add login\",\"description\":\"more\","
		      "\"files\":{\"src/b.js\":\"two\",\"src/a.js\":\"one\"},"
		      "\"createdAt\":\"2024-05-06T07:08:09+02:00\",\"parentId\":\"a0\","
		      "\"author\":\"Ann <ann@x.org>\",\"more\":[1,{}]}");

	assert_string_equal(d->id, "a1");
	assert_string_equal(d->title, "Add login");
	assert_string_equal(d->description, "more");
	assert_string_equal(d->parent, "a0");
	assert_string_equal(d->who_name, "Ann");
	assert_string_equal(d->who_email, "ann@x.org");
	assert_true(d->has_time);
	assert_int_equal(d->time, 1714972089);
	assert_int_equal(d->tz, 120);
	assert_int_equal(d->n_files, 2);
	assert_string_equal(d->files[0].path, "src/a.js");
	assert_memory_equal(d->files[0].data, "one", 4);
}

static void keeps_every_byte_of_a_content(void **state)
{
	CLEANUP(import_json_doc_freep)
	struct import_json_doc *d =
		parse("{\"id\":\"a\",\"title\":\"\",\"files\":{"
		      "\"n\":\"\\u0000x\\u0000\\\\u0000\\r\\n\\ud83d\\ude00\"}}");

	assert_int_equal(d->files[0].len, 15);
	assert_memory_equal(d->files[0].data, "\0x\0\\u0000\r\n\xf0\x9f\x98\x80", 15);
}

static void reads_times_however_they_are_written(void **state)
{
	static const struct {
		const char *text;
		int64_t time;
	} t[] = {{"1700000000", 1700000000},
		 {"1700000000000", 1700000000},
		 {"1700000000.75", 1700000000},
		 {"\"1700000000999\"", 1700000000},
		 {"\"2023-11-14T22:13:20.123Z\"", 1700000000},
		 {"\"2023-11-14\"", 1699920000},
		 {"0", 0}};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		CLEANUP(free_p)
		char *text = alloc_fmt("{\"id\":\"a\",\"title\":\"\",\"files\":{},"
				       "\"createdAt\":%s}",
				       t[i].text);
		CLEANUP(import_json_doc_freep) struct import_json_doc *d = parse(text);

		assert_int_equal(d->time, t[i].time);
	}
}

static void reads_authors_and_drops_what_git_cannot_store(void **state)
{
	static const struct {
		const char *text, *name, *email;
	} t[] = {{"\"Ann\"", "Ann", "unknown"},
		 {"\"Ann<a@b>\"", "Ann", "a@b"},
		 {"\"<a@b>\"", "a@b>", "a@b"},
		 {"{\"name\":\"A\\nB\",\"email\":\"<x@y>\"}", "AB", "x@y"},
		 {"{\"email\":\"x@y\"}", "x@y", "x@y"},
		 {"null", "unknown", "unknown"},
		 {"\"\"", "unknown", "unknown"}};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		CLEANUP(free_p)
		char *text = alloc_fmt("{\"id\":\"a\",\"title\":\"\",\"files\":{},"
				       "\"author\":%s}",
				       t[i].text);
		CLEANUP(import_json_doc_freep) struct import_json_doc *d = parse(text);

		assert_string_equal(d->who_email, t[i].email);
		assert_non_null(strstr(t[i].name, d->who_name));
	}
}

#define DOC(files) "{\"id\":\"a\",\"title\":\"t\",\"files\":{" files "}}"

static void refuses_what_is_wrong_and_says_so(void **state)
{
	static const struct {
		const char *text, *why;
	} t[] = {
		{"", "not JSON"},
		{"{\"id\":", "not JSON"},
		{"[]", "not a JSON object"},
		{"{}{}", "follows the document"},
		{"{\"title\":\"t\",\"files\":{}}", "'id' is missing"},
		{"{\"id\":null,\"title\":\"t\",\"files\":{}}", "'id' is missing"},
		{"{\"id\":\"\",\"title\":\"t\",\"files\":{}}", "'id' is empty"},
		{"{\"id\":\"a\\nb\",\"title\":\"t\",\"files\":{}}", "control character"},
		{"{\"id\":1.5,\"title\":\"t\",\"files\":{}}", "'id' is not a string"},
		{"{\"id\":\"a\",\"files\":{}}", "'title' is missing"},
		{"{\"id\":\"a\",\"title\":7,\"files\":{}}", "'title' is not a string"},
		{"{\"id\":\"a\",\"title\":\"t\"}", "'files' is missing"},
		{"{\"id\":\"a\",\"title\":\"t\",\"files\":[]}", "'files' is not an object"},
		{"{\"id\":\"a\",\"id\":\"b\",\"title\":\"t\",\"files\":{}}",
		 "'id' stands twice"},
		{"{\"id\":\"a\",\"title\":\"t\\u0000\",\"files\":{}}", "holds a NUL"},
		{DOC("\"a\":1"), "content of 'a' is not a string"},
		{DOC("\"/a\":\"\""), "absolute"},
		{DOC("\"a/\":\"\""), "'a/' is refused"},
		{DOC("\"a//b\":\"\""), "'a//b' is refused"},
		{DOC("\"\":\"\""), "is refused"},
		{DOC("\"../a\":\"\""), "'../a' is refused"},
		{DOC("\"a/.git/config\":\"\""), ".git"},
		{DOC("\"a\\u0000b\":\"\""), "NUL"},
		{DOC("\"a\":\"\",\"\\u0061\":\"\""), "'a' stands twice"},
		{DOC("\"a/b\":\"\",\"a-b\":\"\",\"a\":\"\""), "'a' is a file and a directory"},
		{"{\"id\":\"a\",\"title\":\"t\",\"files\":{},\"createdAt\":\"soon\"}",
		 "'soon' is not an ISO"},
		{"{\"id\":\"a\",\"title\":\"t\",\"files\":{},\"createdAt\":-5}",
		 "git cannot record"},
		{"{\"id\":\"a\",\"title\":\"t\",\"files\":{},\"createdAt\":\"1969-12-31\"}",
		 "git cannot record"},
		{"{\"id\":\"a\",\"title\":\"t\",\"files\":{},\"author\":3}", "'author'"},
		{"{\"id\":\"a\",\"title\":\"t\xff\",\"files\":{}}", "UTF-8"},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		assert_refused(t[i].text, t[i].why);
}

static void refuses_a_hundred_thousand_brackets(void **state)
{
	CLEANUP(free_p) char *text = alloc_zero(100001);

	memset(text, '[', 100000);
	assert_refused(text, "too deeply");
}

static void the_message_ends_with_the_id(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	CLEANUP(import_json_doc_freep)
	struct import_json_doc *d = parse("{\"id\":\"x y\",\"title\":\" two\\nlines \","
					  "\"description\":\"\\nFragment-Id: other\\n\\n\","
					  "\"files\":{}}");
	const char *id;
	size_t len;

	buf_init(&b, 1000);
	assert_int_equal(import_json_doc_message(d, &b), 0);
	assert_string_equal(b.data, "two lines\n\nFragment-Id: other\n\nFragment-Id: x y\n");
	id = import_json_doc_id(b.data, &len);
	assert_non_null(id);
	assert_int_equal(len, 3);
	assert_memory_equal(id, "x y", 3);
}

static void a_message_of_somebody_else_has_no_id(void **state)
{
	size_t len;

	assert_null(import_json_doc_id("", &len));
	assert_null(import_json_doc_id("Fix\n\nFragment-Id: a\nSigned-off-by: b\n", &len));
	assert_null(import_json_doc_id("Fragment-Id: ", &len));
}

/* Reads all pieces of a text, joined by '|'; "!" for one that is too big. */
static void assert_pieces(struct scratch *s, const char *text, bool lines, const char *want)
{
	CLEANUP(buf_deinit) struct buf b;
	CLEANUP(import_json_read_freep) struct import_json_read *r = NULL;
	CLEANUP(close_p) int fd = -1;
	struct import_json_span span;
	int got;

	scratch_write(s, "in", text);
	fd = openat(s->fd, "in", O_RDONLY | O_CLOEXEC);
	r = import_json_read_new(fd, lines, 64);
	buf_init(&b, 4096);
	while ((got = import_json_read_next(r, &span)) != IMPORT_JSON_READ_END) {
		assert_true(got == 0 || got == IMPORT_JSON_READ_TOO_BIG);
		(void)buf_fmt(&b, "%s%u:%.*s", b.len ? "|" : "", span.line,
			      got ? 1 : (int)span.len, got ? "!" : span.text);
		if (got == 0)
			assert_memory_equal(span.text, text + span.offset, span.len);
	}
	assert_string_equal(b.data, want);
}

static void cuts_a_file_by_its_shape(void **state)
{
	struct scratch *s = *state;

	assert_pieces(s, "", false, "");
	assert_pieces(s, " \n\r\n", false, "");
	assert_pieces(s, "\xef\xbb\xbf{\"a\":1}\r\n\r\n{\"b\":2}\r\n", false,
		      "1:{\"a\":1}|3:{\"b\":2}");
	assert_pieces(s, "{\"a\":1}", false, "1:{\"a\":1}");
	assert_pieces(s, "{\n \"a\": \"}\\\"{\"\n}\n", false, "1:{\n \"a\": \"}\\\"{\"\n}");
	assert_pieces(s, "{\n1}\n{\n2}\n", false, "1:{\n1}|3:{\n2}");
	assert_pieces(s, "[{\"a\":[1]},\n{\"b\":\"]\"}\n]\n", false,
		      "1:{\"a\":[1]}|2:{\"b\":\"]\"}");
	assert_pieces(s, "[]", false, "");
}

static void a_torn_document_spoils_only_itself(void **state)
{
	struct scratch *s = *state;

	assert_pieces(s, "{\"a\":{\n{\"b\":2}\n{\"c\"\n{\"d\":4}", false,
		      "1:{\"a\":{|2:{\"b\":2}|3:{\"c\"|4:{\"d\":4}");
	assert_pieces(s, "{\n\"a\":\n1}\n{\n\"b\":2\n{\n3}\n", false,
		      "1:{\n\"a\":\n1}|4:{\n\"b\":2|6:{\n3}");
	assert_pieces(s, "garbage\n{\"b\":2}\n", false, "1:garbage|2:{\"b\":2}");
	assert_pieces(s, "[1,\"x,y\",{}", false, "1:1|1:\"x,y\"|1:{}|1:");
	assert_pieces(s, "[{}]x\ny\n", false, "1:{}|1:x|2:y");
	assert_pieces(s, "{\n", true, "1:{");
}

static void passes_over_a_document_that_is_too_big(void **state)
{
	struct scratch *s = *state;
	char text[400];

	(void)snprintf(text, sizeof(text), "{\"a\":\"%0200d\"}\n{\"b\":2}\n", 0);
	assert_pieces(s, text, false, "1:!|2:{\"b\":2}");
	(void)snprintf(text, sizeof(text), "[{\"a\":\"%0200d\"},\n{\"b\":2}]\n", 0);
	assert_pieces(s, text, false, "1:!|2:{\"b\":2}");
}

struct sketch {
	const char *id, *parent;
	int64_t time;
};

/* Plans documents; `stored` of them, the first ones, are of an earlier import. */
static void plan_of(struct import_json_plan *p, const struct sketch *s, size_t n, size_t stored)
{
	struct oid tip = {{7}};

	import_json_plan_init(p);
	for (size_t i = 0; i < n; i++) {
		struct import_json_entry e = {.state = i < stored ? IMPORT_JSON_STORED
								  : IMPORT_JSON_NEW,
					      .id = alloc_str(s[i].id),
					      .parent = alloc_str(s[i].parent),
					      .has_time = s[i].time != 0,
					      .time = s[i].time,
					      .line = (uint32_t)i + 1};

		import_json_plan_add(p, &e);
	}
	import_json_plan_settle(p, &tip, 1);
}

static void assert_order(const struct import_json_plan *p, const char *want)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < p->n_order; i++) {
		const struct import_json_entry *e = &p->entries[p->order[i]];

		(void)buf_fmt(&b, "%s%s<%s", i ? " " : "", e->id,
			      e->parent_at != SIZE_MAX      ? p->entries[e->parent_at].id
			      : oid_is_zero(&e->parent_oid) ? ""
							    : "tip");
	}
	assert_string_equal(b.data, want);
}

static void documents_without_parents_are_a_chain_in_time(void **state)
{
	static const struct sketch s[] = {{"c", NULL, 30},
					  {"a", NULL, 10},
					  {"a2", NULL, 0},
					  {"b", NULL, 20},
					  {"c2", NULL, 30}};
	struct import_json_plan p;

	plan_of(&p, s, 5, 0);
	assert_true(p.chain);
	assert_order(&p, "a<tip a2<a b<a2 c<b c2<c");
	assert_string_equal(p.entries[p.newest].id, "c2");
	import_json_plan_deinit(&p);
}

static void parents_may_come_later_in_the_file(void **state)
{
	static const struct sketch s[] = {
		{"c", "b", 3}, {"b", "a", 2}, {"a", NULL, 9}, {"d", "a", 1}};
	struct import_json_plan p;

	plan_of(&p, s, 4, 0);
	assert_false(p.chain);
	assert_order(&p, "a< d<a b<a c<b");
	assert_int_equal(p.entries[2].n_children, 2);
	assert_int_equal(p.entries[0].n_children, 0);
	import_json_plan_deinit(&p);
}

static void an_earlier_import_is_known_again(void **state)
{
	static const struct sketch s[] = {
		{"a", NULL, 0}, {"b", NULL, 0}, {"b", "a", 5}, {"c", "b", 6}, {"b", "a", 7}};
	struct import_json_plan p;

	plan_of(&p, s, 5, 2);
	assert_int_equal(p.entries[2].state, IMPORT_JSON_AGAIN);
	assert_int_equal(p.entries[2].stored, 1);
	assert_int_equal(p.entries[4].state, IMPORT_JSON_REFUSED);
	assert_order(&p, "c<b");
	assert_int_equal(p.entries[3].parent_at, 1);
	import_json_plan_deinit(&p);
}

static void refuses_circles_strangers_and_their_children(void **state)
{
	static const struct sketch s[] = {{"a", "b", 1},  {"b", "a", 1}, {"c", "b", 1},
					  {"d", "x", 1},  {"e", "d", 1}, {"f", "f", 1},
					  {"g", NULL, 1}, {"h", "g", 1}};
	static const char *const why[] = {"circle",
					  "circle",
					  "'b' was refused",
					  "'x' is no document",
					  "'d' was refused",
					  "circle",
					  NULL,
					  NULL};
	struct import_json_plan p;

	plan_of(&p, s, 8, 0);
	assert_order(&p, "g< h<g");
	for (size_t i = 0; i < 8; i++) {
		if (why[i])
			assert_non_null(strstr(p.entries[i].why, why[i]));
		else
			assert_null(p.entries[i].why);
	}
	import_json_plan_deinit(&p);
}

static void orders_a_hundred_thousand_in_reverse(void **state)
{
	enum { N = 100000 };
	struct import_json_plan p;
	struct oid none = {{0}};

	import_json_plan_init(&p);
	for (int i = N; i-- > 0;) {
		struct import_json_entry e = {.state = IMPORT_JSON_NEW,
					      .id = alloc_fmt("%d", i),
					      .parent = i ? alloc_fmt("%d", i - 1) : NULL};

		import_json_plan_add(&p, &e);
	}
	import_json_plan_settle(&p, &none, 0);
	assert_int_equal(p.n_order, N);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(p.order[i], N - 1 - i);
	import_json_plan_deinit(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_every_field),
		cmocka_unit_test(keeps_every_byte_of_a_content),
		cmocka_unit_test(reads_times_however_they_are_written),
		cmocka_unit_test(reads_authors_and_drops_what_git_cannot_store),
		cmocka_unit_test(refuses_what_is_wrong_and_says_so),
		cmocka_unit_test(refuses_a_hundred_thousand_brackets),
		cmocka_unit_test(the_message_ends_with_the_id),
		cmocka_unit_test(a_message_of_somebody_else_has_no_id),
		cmocka_unit_test_setup_teardown(cuts_a_file_by_its_shape, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_torn_document_spoils_only_itself,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(passes_over_a_document_that_is_too_big,
						scratch_setup, scratch_teardown),
		cmocka_unit_test(documents_without_parents_are_a_chain_in_time),
		cmocka_unit_test(parents_may_come_later_in_the_file),
		cmocka_unit_test(an_earlier_import_is_known_again),
		cmocka_unit_test(refuses_circles_strangers_and_their_children),
		cmocka_unit_test(orders_a_hundred_thousand_in_reverse),
	};

	return cmocka_run_group_tests_name("import_json_doc", tests, NULL, NULL);
}
