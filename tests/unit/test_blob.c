/* Contents: read whole or in parts, from memory or from a file, inflated once however many ask. */
#include "store/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail /* ours is another */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "store/project.h"
#include "store/store_private.h"
#include "tests/repo.h"

static struct oid put(struct repo *r, const char *text)
{
	return repo_object(r, "blob", text, strlen(text));
}

/* 20 MiB that hardly shrink, and the middle of them known. */
static struct oid put_big(struct repo *r, char word)
{
	return repo_oid(r,
			"{ head -c 10485760 /dev/urandom; printf 'the %c middle'; "
			"head -c 10485760 /dev/urandom; } | git hash-object -w --stdin",
			word);
}

enum { BIG = 20971520 + 12, MIDDLE = 10485760 };

static void assert_part(struct repo *r, const struct oid *oid, uint64_t off, size_t len,
			const char *want)
{
	char got[64] = {0};

	assert_int_equal(blob_pread(r->p, oid, got, len, off), (ssize_t)strlen(want));
	assert_string_equal(got, want);
}

static void reads_a_small_blob_whole_and_in_parts(void **state)
{
	struct repo *r = *state;
	struct oid oid = put(r, "0123456789");
	CLEANUP(buf_deinit) struct buf b;
	uint64_t size = 0;

	buf_init(&b, 10);
	assert_int_equal(blob_size(r->p, &oid, &size), 0);
	assert_int_equal(size, 10);
	assert_int_equal(blob_read(r->p, &oid, &b), 0);
	assert_string_equal(b.data, "0123456789");
	assert_part(r, &oid, 0, 4, "0123");
	assert_part(r, &oid, 8, 40, "89");
	assert_part(r, &oid, 10, 1, "");
	assert_part(r, &oid, UINT64_MAX, 1, "");
}

static void an_empty_blob_is_empty_and_not_missing(void **state)
{
	struct repo *r = *state;
	struct oid oid = put(r, "");
	struct blob_view v;

	assert_part(r, &oid, 0, 10, "");
	assert_int_equal(blob_view(r->p, &oid, &v), 0);
	assert_non_null(v.data);
	assert_int_equal(v.len, 0);
	blob_done(&v);
	blob_done(&v);
}

static void respects_the_ceiling_of_the_buffer(void **state)
{
	struct repo *r = *state;
	struct oid oid = put(r, "0123456789");
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 9);
	assert_int_equal(blob_read(r->p, &oid, &b), -E2BIG);
	assert_int_equal(b.len, 0);
}

static void tells_missing_from_not_a_blob(void **state)
{
	struct repo *r = *state;
	struct oid none = {{1}}, tree = repo_oid(r, "git mktree </dev/null");
	CLEANUP(buf_deinit) struct buf b;
	uint64_t size;

	buf_init(&b, 100);
	assert_int_equal(blob_size(r->p, &none, &size), BLOB_MISSING);
	assert_int_equal(blob_read(r->p, &none, &b), BLOB_MISSING);
	assert_int_equal(blob_pread(r->p, &none, &size, 1, 0), -ENOENT);
	assert_int_equal(blob_size(r->p, &tree, &size), -EIO);
	assert_int_equal(blob_pread(r->p, &tree, &size, 1, 0), -EIO);
}

static void a_corrupt_blob_is_a_fault_and_its_neighbours_are_not(void **state)
{
	struct repo *r = *state;
	struct oid bad = put(r, "some text to be damaged, long enough to be cut"),
		   good = put(r, "ok");
	char hex[OID_HEX_LEN + 1], byte;
	CLEANUP(free_p) char *script = NULL;

	oid_hex(&bad, hex);
	script = alloc_fmt("f=$GIT_DIR/objects/%.2s/%s; chmod u+w $f; truncate -s 30 $f", hex,
			   hex + 2);
	(void)repo_sh(r, script);
	assert_int_equal(blob_pread(r->p, &bad, &byte, 1, 0), -EIO);
	assert_part(r, &good, 0, 9, "ok");
}

static void lends_small_blobs_as_memory_and_large_ones_as_a_file(void **state)
{
	struct repo *r = *state;
	struct oid small = put(r, "small"), big = put_big(r, 'A');
	struct blob_view v;
	char got[12];

	assert_int_equal(blob_view(r->p, &small, &v), 0);
	assert_int_equal(v.fd, -1);
	assert_memory_equal(v.data, "small", 5);
	blob_done(&v);
	assert_int_equal(blob_view(r->p, &big, &v), 0);
	assert_null(v.data);
	assert_int_equal(v.len, BIG);
	assert_int_equal(pread(v.fd, got, 12, MIDDLE), 12);
	assert_memory_equal(got, "the A middle", 12);
	blob_done(&v);
}

static void reads_blobs_of_every_way_of_storing(void **state)
{
	struct repo *r = *state;
	struct oid big = put_big(r, 'A');
	struct oid two = repo_oid(r, "head -c 2000000 /dev/urandom | tee two | "
				     "git hash-object -w --stdin");
	CLEANUP(buf_deinit) struct buf b;
	CLEANUP(buf_deinit) struct buf again;

	buf_init(&b, BIG);
	buf_init(&again, BIG);
	assert_part(r, &big, MIDDLE, 12, "the A middle");
	assert_int_equal(blob_read(r->p, &two, &b), 0);
	(void)repo_sh(r,
		      "git add two; t=$(git write-tree); c=$(git commit-tree $t </dev/null); "
		      "git update-ref refs/heads/x $c; git repack -adq; git prune");
	repo_reopen(r);
	assert_int_equal(blob_read(r->p, &two, &again), 0);
	assert_int_equal(b.len, 2000000);
	assert_int_equal(again.len, 2000000);
	assert_memory_equal(b.data, again.data, b.len);
}

static char *cached_path(struct repo *r, const struct oid *oid)
{
	char hex[OID_HEX_LEN + 1];

	return alloc_fmt("cache/%016lx/%s", (unsigned long)project_id(r->p), oid_hex(oid, hex));
}

static void a_damaged_extracted_file_is_made_again(void **state)
{
	struct repo *r = *state;
	struct oid big = put_big(r, 'A');
	CLEANUP(free_p) char *path = cached_path(r, &big);
	CLEANUP(close_p) int fd = -1;

	assert_part(r, &big, MIDDLE, 12, "the A middle");
	repo_reopen(r);
	fd = openat(r->s.fd, path, O_WRONLY);
	assert_int_equal(ftruncate(fd, 5), 0);
	assert_part(r, &big, MIDDLE, 12, "the A middle");
	repo_reopen(r);
	assert_int_equal(unlinkat(r->s.fd, path, 0), 0);
	assert_part(r, &big, MIDDLE, 12, "the A middle");
}

static void files_of_an_earlier_boot_are_not_believed(void **state)
{
	struct repo *r = *state;
	struct oid big = put_big(r, 'A');
	CLEANUP(free_p) char *path = cached_path(r, &big);
	CLEANUP(close_p) int fd = -1;

	assert_part(r, &big, MIDDLE, 12, "the A middle");
	fd = openat(r->s.fd, path, O_WRONLY);
	assert_int_equal(pwrite(fd, "a power cut!", 12, MIDDLE), 12);
	repo_reopen(r);
	assert_part(r, &big, MIDDLE, 12, "a power cut!");
	scratch_write(&r->s, "cache/boot", "another\n");
	repo_reopen(r);
	assert_part(r, &big, MIDDLE, 12, "the A middle");
}

static int n_extracted(struct repo *r)
{
	CLEANUP(free_p)
	char *dir = alloc_fmt("ls ../cache/%016lx | wc -l", (unsigned long)project_id(r->p));

	return repo_sh(r, dir)[0] - '0';
}

static void evicts_what_was_used_least_recently(void **state)
{
	struct repo *r = *state;
	struct oid a = put_big(r, 'A'), b = put_big(r, 'B'), c = put_big(r, 'C');
	CLEANUP(free_p) char *old = cached_path(r, &b);
	const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	r->st->blob_files.limit = 48 << 20;
	assert_part(r, &a, MIDDLE, 12, "the A middle");
	assert_part(r, &b, MIDDLE, 12, "the B middle");
	assert_int_equal(n_extracted(r), 2);
	assert_int_equal(utimensat(r->s.fd, old, long_ago, 0), 0);
	assert_part(r, &c, MIDDLE, 12, "the C middle");
	assert_int_equal(n_extracted(r), 1);
	assert_int_equal(faccessat(r->s.fd, old, F_OK, 0), -1);
	/* Whoever has one open keeps it. */
	assert_part(r, &b, MIDDLE, 12, "the B middle");
}

struct ask {
	struct repo *r;
	struct oid oid;
	ssize_t n;
	char got[12];
};

static void *ask(void *arg)
{
	struct ask *a = arg;

	a->n = blob_pread(a->r->p, &a->oid, a->got, 12, MIDDLE);
	return NULL;
}

static void a_herd_of_readers_takes_no_memory_for_a_large_blob(void **state)
{
	struct repo *r = *state;
	struct ask asks[16];
	pthread_t threads[16];
	struct rusage before, after;
	struct oid zeros =
		repo_oid(r, "head -c 300000000 /dev/zero | git hash-object -w --stdin");

	assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
	for (int i = 0; i < 16; i++) {
		asks[i] = (struct ask){.r = r, .oid = zeros};
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &asks[i]), 0);
	}
	for (int i = 0; i < 16; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(asks[i].n, 12);
		assert_memory_equal(asks[i].got, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
	}
	assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 40000);
	assert_int_equal(n_extracted(r), 1);
}

static void refuses_what_is_too_large_before_it_takes_memory(void **state)
{
	struct repo *r = *state;
	/* A loose object may claim any size in its first bytes. */
	struct oid huge = repo_oid(
		r,
		"mkdir -p $GIT_DIR/objects/12; { printf 'blob 3000000000\\0'; head -c 3200000 "
		"/dev/urandom; } | python3 -c 'import sys,zlib; "
		"sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read()))' "
		">$GIT_DIR/objects/12/34567890123456789012345678901234567890; "
		"echo 1234567890123456789012345678901234567890");
	CLEANUP(buf_deinit) struct buf b;
	struct blob_view v;

	buf_init(&b, SIZE_MAX / 2);
	assert_int_equal(blob_read(r->p, &huge, &b), -EFBIG);
	assert_int_equal(blob_view(r->p, &huge, &v), -EFBIG);
}

static void the_content_of_another_project_is_not_served(void **state)
{
	struct repo *r = *state;
	struct oid oid = put(r, "secret");
	struct project *other;
	char byte;

	assert_part(r, &oid, 0, 9, "secret");
	assert_int_equal(project_create(r->st, "other", &other), 0);
	assert_int_equal(blob_pread(other, &oid, &byte, 1, 0), -ENOENT);
	project_unref(other);
}

#define ON_A_REPO(claim) cmocka_unit_test_setup_teardown(claim, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_REPO(reads_a_small_blob_whole_and_in_parts),
		ON_A_REPO(an_empty_blob_is_empty_and_not_missing),
		ON_A_REPO(respects_the_ceiling_of_the_buffer),
		ON_A_REPO(tells_missing_from_not_a_blob),
		ON_A_REPO(a_corrupt_blob_is_a_fault_and_its_neighbours_are_not),
		ON_A_REPO(lends_small_blobs_as_memory_and_large_ones_as_a_file),
		ON_A_REPO(reads_blobs_of_every_way_of_storing),
		ON_A_REPO(a_damaged_extracted_file_is_made_again),
		ON_A_REPO(files_of_an_earlier_boot_are_not_believed),
		ON_A_REPO(evicts_what_was_used_least_recently),
		ON_A_REPO(a_herd_of_readers_takes_no_memory_for_a_large_blob),
		ON_A_REPO(refuses_what_is_too_large_before_it_takes_memory),
		ON_A_REPO(the_content_of_another_project_is_not_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
