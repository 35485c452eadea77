/* What cannot be rebuilt: whole records, one open operation, and nothing thrown away. */
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "store/state_format.h"
#include "store/store.h"
#include "tests/scratch.h"

struct fixture {
	struct scratch s;
	struct store *st;
};

static int setup(void **state)
{
	static struct fixture f;

	log_open(-1, LOG_LEVEL_ERR, false);
	f = (struct fixture){0};
	scratch_init(&f.s);
	assert_int_equal(store_init(f.s.path), 0);
	assert_int_equal(store_open(f.s.path, &f.st), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->st);
	scratch_deinit(&f->s);
	return 0;
}

static void reopen(struct fixture *f)
{
	store_close(f->st);
	assert_int_equal(store_open(f->s.path, &f->st), 0);
}

static struct oid oid_of(unsigned char c)
{
	struct oid ret;

	memset(ret.id, c, sizeof(ret.id));
	return ret;
}

/* Every field different, and not zero. */
static struct state_sandbox sandbox_of(uint64_t project_id)
{
	struct state_sandbox s = {
		.project_id = project_id,
		.provider = "local",
		.id = "sb-0123",
		.epoch = "fedcba987654321",
		.phase = 7,
		.base = oid_of(1),
		.desired = oid_of(2),
		.observed = oid_of(3),
		.base_commit = oid_of(4),
		.desired_commit = oid_of(5),
		.created = 1700000001,
		.verified = -2,
		.due = 3,
		.drift = oid_of(6),
		.n_kept = 8,
		.recent = {oid_of(9), oid_of(10)},
		.error = "the sandbox is asleep",
	};

	return s;
}

static void assert_sandbox(struct fixture *f, const struct state_sandbox *want)
{
	struct state_sandbox got;

	memset(&got, 0xee, sizeof(got));
	assert_int_equal(state_sandbox_get(f->st, want->project_id, &got), 0);
	assert_int_equal(got.project_id, want->project_id);
	assert_string_equal(got.provider, want->provider);
	assert_string_equal(got.id, want->id);
	assert_memory_equal(got.epoch, want->epoch, sizeof(got.epoch));
	assert_int_equal(got.phase, want->phase);
	assert_true(oid_eq(&got.base, &want->base));
	assert_true(oid_eq(&got.desired, &want->desired));
	assert_true(oid_eq(&got.observed, &want->observed));
	assert_true(oid_eq(&got.base_commit, &want->base_commit));
	assert_true(oid_eq(&got.desired_commit, &want->desired_commit));
	assert_int_equal(got.created, want->created);
	assert_int_equal(got.verified, want->verified);
	assert_int_equal(got.due, want->due);
	assert_true(oid_eq(&got.drift, &want->drift));
	assert_int_equal(got.n_kept, want->n_kept);
	assert_memory_equal(got.recent, want->recent, sizeof(got.recent));
	assert_string_equal(got.error, want->error);
}

static void keeps_every_field_over_a_reopen(void **state)
{
	struct fixture *f = *state;
	struct state_sandbox s = sandbox_of(42), none;

	assert_int_equal(state_sandbox_get(f->st, 42, &none), STATE_MISSING);
	assert_int_equal(state_sandbox_put(f->st, &s), 0);
	assert_sandbox(f, &s);
	reopen(f);
	assert_sandbox(f, &s);
	s = (struct state_sandbox){.project_id = 42};
	assert_int_equal(state_sandbox_put(f->st, &s), 0);
	assert_sandbox(f, &s);
	assert_int_equal(state_sandbox_delete(f->st, 42), 0);
	assert_int_equal(state_sandbox_delete(f->st, 42), STATE_MISSING);
	assert_int_equal(state_sandbox_get(f->st, 42, &none), STATE_MISSING);
}

static int note_id(const struct state_sandbox *s, void *arg)
{
	return buf_fmt(arg, "%llu ", (unsigned long long)s->project_id);
}

static int delete_it(const struct state_sandbox *s, void *arg)
{
	return state_sandbox_delete(arg, s->project_id);
}

static void lists_sandboxes_and_lets_the_caller_write_meanwhile(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	struct fixture *f = *state;

	buf_init(&b, 100);
	assert_int_equal(state_sandbox_each(f->st, note_id, &b), 0);
	for (uint64_t id = 300; id >= 1; id /= 10) {
		struct state_sandbox s = sandbox_of(id);

		assert_int_equal(state_sandbox_put(f->st, &s), 0);
	}
	assert_int_equal(state_sandbox_each(f->st, note_id, &b), 0);
	assert_string_equal(b.data, "3 30 300 ");
	assert_int_equal(state_sandbox_each(f->st, delete_it, f->st), 0);
	buf_clear(&b);
	assert_int_equal(state_sandbox_each(f->st, note_id, &b), 0);
	assert_int_equal(b.len, 0);
}

static void gives_operations_ever_larger_ids(void **state)
{
	struct fixture *f = *state;
	struct state_op a = {.project_id = 1,
			     .from = oid_of(1),
			     .to = oid_of(2),
			     .plan = 3,
			     .attempt = 4,
			     .started = 5};
	struct state_op b = {.project_id = 2}, got;
	struct state_sandbox s = sandbox_of(1);

	assert_int_equal(state_op_get(f->st, 1, &got), STATE_MISSING);
	assert_int_equal(state_op_open(f->st, &a), 0);
	assert_int_equal(state_op_open(f->st, &b), 0);
	assert_true(b.op_id > a.op_id && a.op_id > 0);
	reopen(f);
	assert_int_equal(state_op_get(f->st, 1, &got), 0);
	assert_memory_equal(&got, &a, sizeof(got));
	assert_int_equal(state_op_close(f->st, &a, &s), 0);
	assert_int_equal(state_op_get(f->st, 1, &got), STATE_MISSING);
	assert_sandbox(f, &s);
	a.op_id = 0;
	assert_int_equal(state_op_open(f->st, &a), 0);
	assert_true(a.op_id > b.op_id);
}

static void closes_only_the_operation_that_is_open(void **state)
{
	struct fixture *f = *state;
	struct state_op old = {.project_id = 1}, newer = {.project_id = 1}, got;
	struct state_sandbox s = sandbox_of(1), none;

	assert_int_equal(state_op_open(f->st, &old), 0);
	assert_int_equal(state_op_open(f->st, &newer), 0);
	assert_int_equal(state_op_close(f->st, &old, &s), STATE_MISSING);
	assert_int_equal(state_sandbox_get(f->st, 1, &none), STATE_MISSING);
	assert_int_equal(state_op_get(f->st, 1, &got), 0);
	assert_int_equal(got.op_id, newer.op_id);
}

static void refuses_to_start_anew_over_damage(void **state)
{
	struct fixture *f = *state;
	struct state_sandbox s = sandbox_of(1), got;
	char junk[8192];
	int fd;

	assert_int_equal(state_sandbox_put(f->st, &s), 0);
	store_close(f->st);
	fd = openat(f->s.fd, "state/data.mdb", O_WRONLY);
	memset(junk, 0x5a, sizeof(junk));
	assert_int_equal(pwrite(fd, junk, sizeof(junk), 0), sizeof(junk));
	close(fd);
	assert_int_equal(store_open(f->s.path, &f->st), 0);
	assert_true(state_sandbox_get(f->st, 1, &got) < 0);
	assert_true(state_sandbox_put(f->st, &s) < 0);
	fd = openat(f->s.fd, "state/data.mdb", O_WRONLY);
	assert_int_equal(ftruncate(fd, 100), 0);
	close(fd);
	assert_true(state_sandbox_put(f->st, &s) < 0);
}

static void decodes_no_cut_or_lengthened_record(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	struct state_sandbox s = sandbox_of(1), got;
	struct state_op op = {.op_id = 1}, op_got;

	buf_init(&b, STATE_RECORD_MAX);
	assert_int_equal(state_sandbox_encode(&s, &b), 0);
	assert_int_equal(state_sandbox_decode(b.data, b.len, &got), 0);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(state_sandbox_decode(b.data, n, &got), STATE_BAD);
	assert_int_equal(buf_u8(&b, 0), 0);
	assert_int_equal(state_sandbox_decode(b.data, b.len, &got), STATE_BAD);
	b.data[0] = STATE_SANDBOX_VERSION + 1;
	assert_int_equal(state_sandbox_decode(b.data, b.len, &got), STATE_NEWER);
	buf_clear(&b);
	assert_int_equal(state_op_encode(&op, &b), 0);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(state_op_decode(b.data, n, &op_got), STATE_BAD);
	b.data[0] = STATE_OP_VERSION + 1;
	assert_int_equal(state_op_decode(b.data, b.len, &op_got), STATE_NEWER);
}

static void holds_many_sandboxes(void **state)
{
	struct fixture *f = *state;
	struct state_sandbox s;

	for (uint64_t id = 1; id <= 200; id++) {
		s = sandbox_of(id);
		memset(s.error, 'e', sizeof(s.error) - 1);
		assert_int_equal(state_sandbox_put(f->st, &s), 0);
	}
	assert_sandbox(f, &s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(keeps_every_field_over_a_reopen),
		T(lists_sandboxes_and_lets_the_caller_write_meanwhile),
		T(gives_operations_ever_larger_ids),
		T(closes_only_the_operation_that_is_open),
		T(refuses_to_start_anew_over_damage),
		T(decodes_no_cut_or_lengthened_record),
		T(holds_many_sandboxes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
