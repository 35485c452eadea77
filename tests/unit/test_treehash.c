/* tests/unit/test_treehash.c - tree ids as git computes them. The expected ids are git's own. */
#include "provider/agent/treehash.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/judge.h"
#include "base/sha1.h"

static void assert_oid(const struct oid *oid, const char *hex)
{
	char text[OID_HEX_LEN + 1];

	assert_string_equal(oid_hex(oid, text), hex);
}

static void hashes_blobs_of_every_length_alike(void **state)
{
	unsigned char data[300];
	struct oid whole, pieces;
	struct sha1 s;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)i;
	for (size_t len = 0; len <= sizeof(data); len++) {
		sha1_blob(data, len, &whole);
		sha1_init_blob(&s, len);
		for (size_t i = 0; i < len; i += 7)
			sha1_add(&s, data + i, len - i < 7 ? len - i : 7);
		sha1_end(&s, &pieces);
		assert_true(oid_eq(&whole, &pieces));
	}
	sha1_blob("", 0, &whole);
	assert_oid(&whole, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
	sha1_blob("hello\n", 6, &whole);
	assert_oid(&whole, "ce013625030ba8dba906f756967f9e9ca394464a");
}

static int add(struct treehash *t, const char *path, uint32_t mode)
{
	struct oid hello;

	sha1_blob("hello\n", 6, &hello);
	return treehash_add(t, path, mode, &hello);
}

static void hashes_an_empty_listing_as_the_empty_tree(void **state)
{
	struct treehash *t = treehash_new();
	struct oid oid;

	assert_int_equal(treehash_end(t, &oid), 0);
	assert_oid(&oid, "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
	treehash_free(t);
}

static void hashes_directories_in_git_s_order(void **state)
{
	struct treehash *t = treehash_new();
	struct oid oid;

	for (int round = 0; round < 2; round++) {
		assert_int_equal(add(t, "a.txt", MODE_FILE), 0);
		assert_int_equal(add(t, "a/b/c/d", MODE_EXEC), 0);
		assert_int_equal(add(t, "a/b/c2", MODE_FILE), 0);
		assert_int_equal(add(t, "a/x", MODE_FILE), 0);
		assert_int_equal(add(t, "a0", MODE_LINK), 0);
		assert_int_equal(add(t, "z/y/x", MODE_FILE), 0);
		assert_int_equal(treehash_end(t, &oid), 0);
		assert_oid(&oid, "1a4f7da54c4c11b105e348b6b5d277db2ddf34c0");
	}
	treehash_free(t);
}

static void refuses_a_listing_out_of_order(void **state)
{
	static const char *const bad[] = {"", "/a", "b/", "b//c", "a", "b", "A"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct treehash *t = treehash_new();
		struct oid oid;

		assert_int_equal(add(t, "b", MODE_FILE), 0);
		assert_int_equal(add(t, bad[i], MODE_FILE), -EINVAL);
		assert_int_equal(treehash_end(t, &oid), -EINVAL);
		treehash_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_blobs_of_every_length_alike),
		cmocka_unit_test(hashes_an_empty_listing_as_the_empty_tree),
		cmocka_unit_test(hashes_directories_in_git_s_order),
		cmocka_unit_test(refuses_a_listing_out_of_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
