/* Pack indexes: good ones pass, and no damage leads a reader outside of its files. */
#include "store/pack_index.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* ours is another */

#include "base/buf.h"
#include "base/io.h"
#include "store/blob.h"
#include "tests/repo.h"

static const char *const make_some =
	"git checkout -qb main 2>/dev/null || :; i=0; while [ $i -lt 30 ]; do i=$((i+1)); "
	"seq $i 300 >f$i; done; git add -A; git commit -qm x; git repack -adq; git "
	"prune-packed; ";

static void load(struct repo *r, struct buf *idx, size_t *pack_size)
{
	buf_init(idx, 1 << 20);
	(void)repo_sh(r, "cp $GIT_DIR/objects/pack/*.idx ../idx");
	assert_int_equal(io_slurp(r->s.fd, "idx", idx), 0);
	*pack_size = (size_t)atoll(repo_sh(r, "stat -c %s $GIT_DIR/objects/pack/*.pack"));
}

static void passes_indexes_of_both_versions(void **state)
{
	struct repo *r = *state;
	CLEANUP(buf_deinit) struct buf idx;
	size_t size;

	(void)repo_sh(r, make_some);
	load(r, &idx, &size);
	assert_true(pack_index_ok((const unsigned char *)idx.data, idx.len, size));
	buf_deinit(&idx);
	(void)repo_sh(r, "p=$(ls $GIT_DIR/objects/pack/*.pack); rm -f ${p%.pack}.idx; "
			 "git index-pack --index-version=1 $p >/dev/null");
	load(r, &idx, &size);
	assert_true(pack_index_ok((const unsigned char *)idx.data, idx.len, size));
}

static void passes_offsets_of_64_bits(void **state)
{
	struct repo *r = *state;
	CLEANUP(buf_deinit) struct buf idx;
	size_t size;

	(void)repo_sh(r, make_some);
	(void)repo_sh(r, "p=$(ls $GIT_DIR/objects/pack/*.pack); rm -f ${p%.pack}.idx; "
			 "git index-pack --index-version=2,0x100 $p >/dev/null");
	load(r, &idx, &size);
	assert_true(pack_index_ok((const unsigned char *)idx.data, idx.len, size));
	assert_false(pack_index_ok((const unsigned char *)idx.data, idx.len - 8, size));
	assert_false(pack_index_ok((const unsigned char *)idx.data, idx.len, 200));
}

static void refuses_every_cut_and_every_offset_outside(void **state)
{
	struct repo *r = *state;
	CLEANUP(buf_deinit) struct buf idx;
	unsigned char *data;
	size_t size, n;

	(void)repo_sh(r, make_some);
	load(r, &idx, &size);
	data = (unsigned char *)idx.data;
	for (size_t len = 0; len < idx.len; len++)
		assert_false(pack_index_ok(data, len, size));
	n = (idx.len - 8 - 1024 - 40) / 28;
	assert_int_equal(n, 32);
	for (size_t i = 0; i < n; i++) {
		unsigned char *off = data + 8 + 1024 + n * 24 + 4 * i;

		for (int high = 0; high < 2; high++) {
			off[0] ^= high ? 0x80 : 0x10;
			assert_false(pack_index_ok(data, idx.len, size));
			off[0] ^= high ? 0x80 : 0x10;
		}
	}
	data[8 + 4 * 100] = 0x7f;
	assert_false(pack_index_ok(data, idx.len, size));
}

static void a_project_with_a_damaged_index_says_so_and_nothing_dies(void **state)
{
	struct repo *r = *state;
	struct oid oid;
	char byte;

	(void)repo_sh(r, make_some);
	oid = repo_oid(r, "git rev-parse main:f1");
	(void)repo_sh(r, "i=$(ls $GIT_DIR/objects/pack/*.idx); chmod u+w $i; "
			 "printf '\\177\\177\\177\\177' | dd of=$i bs=1 seek=1804 conv=notrunc "
			 "2>/dev/null");
	repo_reopen(r);
	assert_int_equal(blob_pread(r->p, &oid, &byte, 1, 0), -EIO);
	(void)repo_sh(r, "p=$(ls $GIT_DIR/objects/pack/*.pack); rm -f ${p%.pack}.idx; "
			 "git index-pack $p >/dev/null");
	assert_int_equal(blob_pread(r->p, &oid, &byte, 1, 0), 1);
}

#define ON_A_REPO(claim) cmocka_unit_test_setup_teardown(claim, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_REPO(passes_indexes_of_both_versions),
		ON_A_REPO(passes_offsets_of_64_bits),
		ON_A_REPO(refuses_every_cut_and_every_offset_outside),
		ON_A_REPO(a_project_with_a_damaged_index_says_so_and_nothing_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
