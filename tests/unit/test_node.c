/* tests/unit/test_node.c - what the node table promises the mount. */
#include "fs/node.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct node_table *table;
	struct ident_secret secret;
};

static unsigned n_released;

static void count_release(struct node *n, void *arg)
{
	__atomic_add_fetch(&n_released, 1, __ATOMIC_RELAXED);
	free(n->extra);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->table = node_table_new(count_release, NULL);
	f->secret = (struct ident_secret){{1, 2}};
	n_released = 0;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	node_table_free(f->table);
	free(f);
	return 0;
}

static struct node wanted(const struct fixture *f, uint64_t n)
{
	struct ident_scope scope = {7, 7};
	struct node want = {.seq = (uint32_t)n, .size = n * 3};

	want.ident = ident_numbered(&f->secret, &scope, 1, n);
	return want;
}

static struct node *intern(const struct fixture *f, uint64_t n)
{
	struct node want = wanted(f, n);
	bool made;

	return node_intern(f->table, &want, &made);
}

static void hashes_as_published(void **state)
{
	/* SipHash-2-4-128, reference vectors for 0 and 15 bytes */
	const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
	unsigned char in[15];
	uint64_t out[2];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)i;
	ident_siphash(key, in, 0, out);
	assert_int_equal(out[0], 0xe6a825ba047f81a3u);
	assert_int_equal(out[1], 0x930255c71472f66du);
	ident_siphash(key, in, 15, out);
	assert_int_equal(out[0], 0x11a8b03399e99354u);
	assert_int_equal(out[1], 0xd9c3cf970fec087eu);
}

static void names_a_child_by_parent_and_name(void **state)
{
	struct fixture *f = *state;
	struct ident top = wanted(f, 1).ident, other = wanted(f, 2).ident;
	struct ident a = ident_child(&f->secret, &top, "a", 1);
	char longer[1000];

	memset(longer, 'x', sizeof(longer));
	assert_int_equal(a.ino, ident_child(&f->secret, &top, "a", 1).ino);
	assert_int_not_equal(a.ino, ident_child(&f->secret, &top, "b", 1).ino);
	assert_int_not_equal(a.ino, ident_child(&f->secret, &other, "a", 1).ino);
	assert_int_not_equal(ident_child(&f->secret, &top, longer, 1000).ino,
			     ident_child(&f->secret, &top, longer, 999).ino);
}

static void keeps_the_inode_number_under_another_secret(void **state)
{
	struct fixture *f = *state;
	struct ident_secret other = {{3, 4}};
	struct ident_scope scope = {7, 7};
	struct ident a = ident_numbered(&f->secret, &scope, 1, 5);
	struct ident b = ident_numbered(&other, &scope, 1, 5);

	assert_int_equal(a.ino, b.ino);
	assert_memory_not_equal(&a.key, &b.key, sizeof(a.key));
}

static void gives_one_node_to_one_identity(void **state)
{
	struct fixture *f = *state;
	struct node *a = intern(f, 5), *b = intern(f, 5), *c = intern(f, 6);

	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_int_equal(a->size, 15);
	node_put(f->table, a);
	node_put(f->table, b);
	node_put(f->table, c);
	assert_int_equal(n_released, 2);
}

static void lives_while_the_kernel_counts_it(void **state)
{
	struct fixture *f = *state;
	struct node *n = intern(f, 5);
	uint64_t id = n->id;

	node_remember(f->table, n);
	node_remember(f->table, n);
	node_put(f->table, n);
	node_forget(f->table, id, 1);
	n = node_get(f->table, id);
	assert_non_null(n);
	assert_true(node_known(f->table, n));
	node_put(f->table, n);
	node_forget(f->table, id, 1);
	assert_null(node_get(f->table, id));
	assert_int_equal(n_released, 1);
}

static void finds_nothing_under_stale_and_forged_ids(void **state)
{
	struct fixture *f = *state;
	struct node *n = intern(f, 5), *again;
	uint64_t id = n->id;

	node_put(f->table, n);
	again = intern(f, 5);
	assert_int_not_equal(again->id, id);
	assert_null(node_get(f->table, id));
	for (int bit = 0; bit < 64; bit++)
		assert_null(node_get(f->table, again->id ^ (1ull << bit)));
	assert_null(node_get(f->table, 0));
	assert_null(node_get(f->table, UINT64_MAX));
	node_forget(f->table, id, UINT64_MAX);
	node_put(f->table, again);
}

enum { MILLION = 1000000 };

static void holds_a_million_in_300_bytes_each_and_gives_them_back(void **state)
{
	struct fixture *f = *state;
	uint64_t *ids = malloc(MILLION * sizeof(*ids)), idle = node_stats(f->table).bytes;
	struct node_stats full;

	for (uint64_t i = 0; i < MILLION; i++) {
		struct node *n = intern(f, i);

		ids[i] = n->id;
		node_remember(f->table, n);
		node_put(f->table, n);
	}
	full = node_stats(f->table);
	assert_int_equal(full.n_nodes, MILLION);
	assert_in_range(full.bytes / MILLION, 1, 300);
	print_message("# %zu bytes a node\n", (size_t)(full.bytes / MILLION));
	for (uint64_t i = 0; i < MILLION; i++)
		node_forget(f->table, ids[i], 1);
	assert_int_equal(node_stats(f->table).n_nodes, 0);
	assert_in_range(node_stats(f->table).bytes, 0, idle + full.bytes / 10);
	assert_int_equal(n_released, MILLION);
	free(ids);
}

static void *churn(void *arg)
{
	const struct fixture *f = arg;
	unsigned seed = 1;

	for (int i = 0; i < 40000; i++) {
		struct node *n = intern(f, (unsigned)rand_r(&seed) % 300);
		uint64_t id = n->id;

		node_remember(f->table, n);
		node_put(f->table, n);
		n = node_get(f->table, id);
		assert_non_null(n);
		node_put(f->table, n);
		node_forget(f->table, id, 1);
	}
	return NULL;
}

static void counts_right_under_many_threads(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, churn, f);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(node_stats(f->table).n_nodes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hashes_as_published, setup, teardown),
		cmocka_unit_test_setup_teardown(names_a_child_by_parent_and_name, setup,
						teardown),
		cmocka_unit_test_setup_teardown(keeps_the_inode_number_under_another_secret,
						setup, teardown),
		cmocka_unit_test_setup_teardown(gives_one_node_to_one_identity, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lives_while_the_kernel_counts_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(finds_nothing_under_stale_and_forged_ids, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			holds_a_million_in_300_bytes_each_and_gives_them_back, setup, teardown),
		cmocka_unit_test_setup_teardown(counts_right_under_many_threads, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
