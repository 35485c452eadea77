/* Loose objects: whole ones read as git reads them, damaged ones refused and never waited for. */
#include "store/loose.h"

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
#undef fail /* ours is another */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io.h"
#include "store/object.h"
#include "tests/repo.h"

static char *path_of(const struct oid *oid)
{
	char hex[OID_HEX_LEN + 1];

	oid_hex(oid, hex);
	return alloc_fmt("projects/demo.git/objects/%.2s/%s", hex, hex + 2);
}

static void assert_content(struct repo *r, const struct oid *oid, git_object_t want_type,
			   const char *want, size_t want_len)
{
	CLEANUP(git_odb_object_freep) git_odb_object *obj = NULL;
	git_object_t type;
	size_t size;

	assert_int_equal(object_header(r->p, oid, &type, &size), 0);
	assert_int_equal(type, want_type);
	assert_int_equal(size, want_len);
	assert_int_equal(object_read(r->p, oid, &obj), 0);
	assert_int_equal(git_odb_object_type(obj), want_type);
	assert_int_equal(git_odb_object_size(obj), want_len);
	assert_memory_equal(git_odb_object_data(obj), want, want_len);
}

static void reads_objects_of_every_size_around_the_header(void **state)
{
	struct repo *r = *state;
	char text[200];

	memset(text, 'x', sizeof(text));
	for (size_t len = 0; len<sizeof(text); len += len> 40 && len < 70 ? 1 : 13) {
		struct oid oid = repo_object(r, "blob", text, len);

		assert_content(r, &oid, GIT_OBJECT_BLOB, text, len);
	}
}

static void reads_every_type(void **state)
{
	struct repo *r = *state;
	struct oid tree = repo_oid(r, "git mktree </dev/null");
	struct oid commit =
		repo_oid(r, "git commit-tree %s </dev/null", "$(git mktree </dev/null)");
	git_object_t type;
	size_t size;

	assert_content(r, &tree, GIT_OBJECT_TREE, "", 0);
	assert_int_equal(object_header(r->p, &commit, &type, &size), 0);
	assert_int_equal(type, GIT_OBJECT_COMMIT);
}

static void reads_a_megabyte(void **state)
{
	struct repo *r = *state;
	CLEANUP(free_p) char *text = malloc(1 << 20);
	struct oid oid;

	for (size_t i = 0; i < 1 << 20; i++)
		text[i] = (char)(i * i >> 7);
	oid = repo_object(r, "blob", text, 1 << 20);
	assert_content(r, &oid, GIT_OBJECT_BLOB, text, 1 << 20);
}

/* Every way of cutting it or turning one bit: refused, or the same content; always an end. */
static void no_damage_is_believed_or_waited_for(void **state)
{
	struct repo *r = *state;
	struct oid oid =
		repo_object(r, "blob", "a text of some length, so that it is deflated", 45);
	CLEANUP(free_p) char *path = path_of(&oid);
	CLEANUP(buf_deinit) struct buf whole;
	size_t refused = 0;

	buf_init(&whole, 4096);
	assert_int_equal(io_slurp(r->s.fd, path, &whole), 0);
	assert_int_equal(unlinkat(r->s.fd, path, 0), 0);
	for (size_t i = 0; i < whole.len * 8 + whole.len; i++) {
		CLEANUP(git_odb_object_freep) git_odb_object *obj = NULL;
		size_t len = i < whole.len ? i : whole.len, bit = i - whole.len;
		CLEANUP(close_p)
		int fd = openat(r->s.fd, path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
		int got;

		if (len == whole.len)
			whole.data[bit / 8] ^= (char)(1 << (bit % 8));
		assert_int_equal(io_write_all(fd, whole.data, len), 0);
		if (len == whole.len)
			whole.data[bit / 8] ^= (char)(1 << (bit % 8));
		got = object_read(r->p, &oid, &obj);
		refused += got == -EIO;
		if (!got)
			assert_memory_equal(git_odb_object_data(obj),
					    "a text of some length, so that it is deflated",
					    45);
	}
	assert_in_range(refused, whole.len * 8, whole.len * 9);
}

static void a_claim_that_the_file_cannot_hold_takes_no_memory(void **state)
{
	struct repo *r = *state;
	struct oid oid = repo_oid(
		r,
		"mkdir -p $GIT_DIR/objects/12; printf 'blob 90000000000000\\0xx' | python3 -c "
		"'import sys,zlib; "
		"sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read()))' "
		">$GIT_DIR/objects/12/34567890123456789012345678901234567890; "
		"echo 1234567890123456789012345678901234567890");
	CLEANUP(git_odb_object_freep) git_odb_object *obj = NULL;
	git_object_t type;
	size_t size;

	assert_int_equal(object_header(r->p, &oid, &type, &size), -EIO);
	assert_int_equal(object_read(r->p, &oid, &obj), -EIO);
}

static void finds_a_loose_object_by_its_start(void **state)
{
	struct repo *r = *state;
	struct oid oid = repo_object(r, "blob", "abc", 3), other;
	CLEANUP(free_p) char *path = alloc_fmt("%s/objects", r->git_dir);
	CLEANUP(git_odb_freep) git_odb *odb = NULL;
	CLEANUP(git_odb_object_freep) git_odb_object *obj = NULL;
	git_oid id, start = {{0}};

	other = repo_object(r, "blob", "other", 5);
	memcpy(start.id, oid.id, 4);
	assert_int_equal(loose_odb_open(path, &odb), 0);
	assert_int_equal(git_odb_exists_prefix(&id, odb, &start, 8), 0);
	assert_memory_equal(id.id, oid.id, OID_LEN);
	assert_int_equal(git_odb_read_prefix(&obj, odb, &start, 8), 0);
	assert_memory_equal(git_odb_object_data(obj), "abc", 3);
	id = oid_to_git(&other);
	assert_int_equal(git_odb_exists(odb, &id), 1);
	id.id[19] ^= 1;
	assert_int_equal(git_odb_exists(odb, &id), 0);
}

#define ON_A_REPO(claim) cmocka_unit_test_setup_teardown(claim, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_REPO(reads_objects_of_every_size_around_the_header),
		ON_A_REPO(reads_every_type),
		ON_A_REPO(reads_a_megabyte),
		ON_A_REPO(no_damage_is_believed_or_waited_for),
		ON_A_REPO(a_claim_that_the_file_cannot_hold_takes_no_memory),
		ON_A_REPO(finds_a_loose_object_by_its_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
