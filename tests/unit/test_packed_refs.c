/* packed-refs: read whatever git wrote, extended under git's own lock, never half written. */
#include "store/packed_refs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "tests/scratch.h"

#define A    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C    "cccccccccccccccccccccccccccccccccccccccc"
#define HEAD "# pack-refs with: peeled fully-peeled sorted \n"

static int setup(void **state)
{
	log_open(-1, LOG_LEVEL_ERR, false);
	return scratch_setup(state);
}

static struct oid oid_of(const char *hex)
{
	struct oid ret;

	assert_true(oid_parse(hex, OID_HEX_LEN, &ret));
	return ret;
}

static int add(struct scratch *s, const char *name, const char *hex)
{
	struct packed_ref ref = {.name = name, .oid = oid_of(hex)};

	return packed_refs_add(s->fd, &ref, 1);
}

static bool exists(const struct scratch *s, const char *name)
{
	struct stat sb;

	return !fstatat(s->fd, name, &sb, AT_SYMLINK_NOFOLLOW);
}

static void writes_a_file_where_there_was_none(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(add(s, "refs/fragments/1", A), 0);
	assert_string_equal(scratch_read(s, "packed-refs"), HEAD A " refs/fragments/1\n");
	assert_false(exists(s, "packed-refs.lock"));
	assert_false(exists(s, "packed-refs.new"));
	assert_false(exists(s, "fragfs.packed-refs"));
}

static void merges_in_byte_order_and_keeps_what_tags_lead_to(void **state)
{
	struct scratch *s = *state;
	const struct packed_ref refs[] = {
		{.name = "refs/fragments/10", .oid = oid_of(A)},
		{.name = "refs/fragments/2", .oid = oid_of(B)},
		{.name = "refs/zzz", .oid = oid_of(C)},
	};

	scratch_write(s, "packed-refs",
		      HEAD A " refs/fragments/1\n" B " refs/heads/main\n" C " refs/tags/v1\n^" A
			     "\n");
	assert_int_equal(packed_refs_add(s->fd, refs, 3), 0);
	assert_string_equal(scratch_read(s, "packed-refs"),
			    HEAD A " refs/fragments/1\n" A " refs/fragments/10\n" B
				   " refs/fragments/2\n" B " refs/heads/main\n" C
				   " refs/tags/v1\n^" A "\n" C " refs/zzz\n");
}

static void does_not_promise_peeled_tags_that_the_old_file_did_not(void **state)
{
	struct scratch *s = *state;

	scratch_write(s, "packed-refs", C " refs/tags/v1\n" A " refs/heads/b\n");
	assert_int_equal(add(s, "refs/heads/a", A), 0);
	assert_string_equal(scratch_read(s, "packed-refs"),
			    "# pack-refs with: sorted \n" A " refs/heads/a\n" A
			    " refs/heads/b\n" C " refs/tags/v1\n");
}

static void takes_the_same_twice_and_refuses_another(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(add(s, "refs/fragments/1", A), 0);
	assert_int_equal(add(s, "refs/fragments/1", A), 0);
	assert_int_equal(add(s, "refs/fragments/1", B), PACKED_REFS_CLASH);
	assert_string_equal(scratch_read(s, "packed-refs"), HEAD A " refs/fragments/1\n");
	assert_false(exists(s, "packed-refs.lock"));
}

static void respects_a_lock_of_git(void **state)
{
	struct scratch *s = *state;

	scratch_write(s, "packed-refs.lock", "");
	assert_int_equal(add(s, "refs/fragments/1", A), PACKED_REFS_LOCKED);
	assert_false(exists(s, "packed-refs"));
	assert_true(exists(s, "packed-refs.lock"));
}

static void breaks_a_lock_of_ours_and_one_of_an_earlier_boot(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct scratch *s = *state;

	scratch_write(s, "packed-refs.lock", "fragfs\n");
	scratch_write(s, "packed-refs.new", "half a fi");
	assert_int_equal(add(s, "refs/fragments/1", A), 0);
	scratch_write(s, "packed-refs.lock", "");
	assert_int_equal(utimensat(s->fd, "packed-refs.lock", old, 0), 0);
	assert_int_equal(add(s, "refs/fragments/2", B), 0);
	assert_string_equal(scratch_read(s, "packed-refs"),
			    HEAD A " refs/fragments/1\n" B " refs/fragments/2\n");
	assert_false(exists(s, "packed-refs.new"));
}

static void never_rewrites_what_it_does_not_understand(void **state)
{
	static const char *const texts[] = {
		HEAD "what is this\n",
		HEAD A "\n",
		HEAD A " refs/heads/x\n^" A "0\n",
		HEAD "^" A "\n",
		HEAD "AAAA refs/heads/x",
	};
	struct scratch *s = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		scratch_write(s, "packed-refs", texts[i]);
		assert_int_equal(add(s, "refs/fragments/1", A), -EINVAL);
		assert_string_equal(scratch_read(s, "packed-refs"), texts[i]);
		assert_false(exists(s, "packed-refs.lock"));
	}
}

static int note(const struct packed_ref *ref, void *arg)
{
	char hex[OID_HEX_LEN + 1], peeled[OID_HEX_LEN + 1];

	assert_int_equal(buf_fmt(arg, "%s %.2s %.2s\n", ref->name, oid_hex(&ref->oid, hex),
				 oid_hex(&ref->peeled, peeled)),
			 0);
	return !strcmp(ref->name, "refs/stop");
}

static void reads_around_bad_lines_and_stops_when_told(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	struct scratch *s = *state;

	buf_init(&b, 4096);
	assert_int_equal(packed_refs_each(s->fd, note, &b), 0);
	scratch_write(s, "packed-refs",
		      HEAD "junk\n\n" A " refs/a\n^" B "\n" A "  refs/space\n" C " refs/last");
	assert_int_equal(packed_refs_each(s->fd, note, &b), 0);
	assert_string_equal(b.data, "refs/a aa bb\n refs/space aa 00\nrefs/last cc 00\n");
	scratch_write(s, "packed-refs", A " refs/stop\n" A " refs/never\n");
	buf_clear(&b);
	assert_int_equal(packed_refs_each(s->fd, note, &b), 1);
	assert_string_equal(b.data, "refs/stop aa 00\n");
}

static void skips_a_prefix_whether_or_not_the_file_is_sorted(void **state)
{
	static const char *const heads[] = {HEAD, "# pack-refs with: peeled \n", ""};
	static const unsigned counts[] = {0, 1, 2, 700};
	struct scratch *s = *state;

	for (size_t i = 0; i < 3 * 4; i++) {
		CLEANUP(buf_deinit) struct buf file;
		CLEANUP(buf_deinit) struct buf b;

		buf_init(&file, 1 << 20);
		buf_init(&b, 1 << 20);
		assert_int_equal(buf_fmt(&file, "%s%s refs/a\n^%s\n", heads[i % 3], A, B), 0);
		for (unsigned k = 0; k < counts[i / 3]; k++)
			assert_int_equal(buf_fmt(&file, "%s refs/skip/%05u\n", C, k), 0);
		assert_int_equal(buf_fmt(&file, "%s refs/skipped\n%s refs/z\n^%s\n", B, A, C),
				 0);
		scratch_write(s, "packed-refs", file.data);
		assert_int_equal(packed_refs_each_but(s->fd, "refs/skip/", note, &b), 0);
		assert_string_equal(b.data, "refs/a aa bb\nrefs/skipped bb 00\nrefs/z aa cc\n");
		buf_clear(&b);
		assert_int_equal(packed_refs_each_but(s->fd, "refs/", note, &b), 0);
		assert_string_equal(b.data, "");
		assert_int_equal(packed_refs_each_but(s->fd, "refs/zz", note, &b), 0);
		assert_true(b.len > 0 && !strstr(b.data, "refs/zz"));
	}
}

static void survives_every_cut_of_a_file(void **state)
{
	static const char whole[] = HEAD A " refs/a\n^" B "\n" C " refs/b\n";
	struct scratch *s = *state;

	for (size_t n = 0; n < sizeof(whole); n++) {
		CLEANUP(buf_deinit) struct buf b;
		char part[sizeof(whole)];

		buf_init(&b, 4096);
		memcpy(part, whole, n);
		part[n] = '\0';
		scratch_write(s, "packed-refs", part);
		assert_int_equal(packed_refs_each(s->fd, note, &b), 0);
		assert_int_equal(packed_refs_each_but(s->fd, "refs/b", note, &b), 0);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(writes_a_file_where_there_was_none),
		T(merges_in_byte_order_and_keeps_what_tags_lead_to),
		T(does_not_promise_peeled_tags_that_the_old_file_did_not),
		T(takes_the_same_twice_and_refuses_another),
		T(respects_a_lock_of_git),
		T(breaks_a_lock_of_ours_and_one_of_an_earlier_boot),
		T(never_rewrites_what_it_does_not_understand),
		T(reads_around_bad_lines_and_stops_when_told),
		T(skips_a_prefix_whether_or_not_the_file_is_sorted),
		T(survives_every_cut_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
