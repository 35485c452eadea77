/* tests/sync/test_mirror.c - what one mirror does, case by case, against the memory provider. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/judge.h"
#include "base/sha1.h"
#include "tests/sync/world.h"

/* One fate, at the n-th event of a kind. */
struct fixture {
	struct world w;
	enum memory_event event;
	unsigned what, countdown;
	struct memory_fate fate;
	unsigned n_calls;
};

static void decide(enum memory_event event, unsigned what, struct memory_fate *ret, void *arg)
{
	struct fixture *f = arg;

	f->n_calls += event == MEMORY_CALL;
	if (!f->countdown || event != f->event || what != f->what || --f->countdown)
		return;
	*ret = f->fate;
}

static void arm(struct fixture *f, enum memory_event event, unsigned what,
		enum memory_verdict verdict)
{
	f->event = event;
	f->what = what;
	f->countdown = 1;
	f->fate = (struct memory_fate){.verdict = verdict, .result = PROVIDER_OFFLINE};
}

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));

	world_init(&f->w, 1);
	memory_set_fate(f->w.provider, decide, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	world_deinit(&f->w);
	free(f);
	return 0;
}

static void check_out(struct fixture *f, const char *files)
{
	f->w.twin.head = twin_fragment(&f->w.twin, files);
	mirror_mark_due(f->w.mirror, true);
}

static void assert_state(struct fixture *f, enum mirror_state s)
{
	assert_string_equal(mirror_state_name(f->w.mirror->state), mirror_state_name(s));
}

static void assert_synced(struct fixture *f, const char *files)
{
	const struct twin *t = &f->w.twin;
	struct mirror_status st;
	struct oid tree;

	if (!world_run(&f->w, 600000))
		fail_msg("not settled: %s: %s", mirror_state_name(f->w.mirror->state),
			 f->w.mirror->why);
	mirror_status_fill(f->w.mirror, &st);
	assert_string_equal(st.why, "");
	assert_state(f, MIRROR_SYNCED);
	assert_true(st.verified);
	assert_true(memory_tree(f->w.provider, f->w.id, &tree));
	assert_true(oid_eq(&tree, &t->trees[t->head].id));
	assert_true(oid_eq(&t->rec.base, &tree));
	assert_true(oid_eq(&t->rec.observed, &tree));
	assert_false(t->has_op);
	assert_string_equal(world_files(&f->w), files);
}

static void user_writes(struct fixture *f, const char *path, const char *text)
{
	assert_true(memory_write(f->w.provider, f->w.id, path, MODE_FILE, text));
}

static void assert_kept(struct fixture *f, size_t n, const char *text)
{
	struct oid oid;

	assert_int_equal(f->w.twin.n_kept, n);
	if (!text)
		return;
	sha1_blob(text, strlen(text), &oid);
	assert_true(twin_has_blob(&f->w.twin, &oid));
}

static void fills_a_new_sandbox_and_proves_it(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one bin/run=two* l=a@");
	assert_synced(f, "a=one bin/run=two* l=a@");
	assert_int_not_equal(f->w.twin.rec.epoch[0], 0);
}

static void a_switch_is_one_exchange_on_the_open_stream(void **state)
{
	struct fixture *f = *state;
	unsigned calls;

	check_out(f, "a=1 b=1 c=1");
	assert_synced(f, "a=1 b=1 c=1");
	calls = f->n_calls;
	check_out(f, "a=2 c=1 d/e=3");
	assert_synced(f, "a=2 c=1 d/e=3");
	assert_int_equal(f->n_calls, calls);
	assert_int_equal(f->w.mirror->plan_kind, CHOICE_STREAM);
}

static void goes_back_without_sending_contents(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	check_out(f, "a=a-rather-long-content-that-would-show-in-the-count");
	assert_synced(f, "a=a-rather-long-content-that-would-show-in-the-count");
	check_out(f, "a=2");
	assert_synced(f, "a=2");
	before = memory_bytes_in(f->w.provider);
	f->w.twin.head = 1;
	mirror_mark_due(f->w.mirror, false);
	assert_synced(f, "a=a-rather-long-content-that-would-show-in-the-count");
	assert_int_equal(f->w.mirror->plan_kind, CHOICE_RESIDENT);
	assert_true(memory_bytes_in(f->w.provider) - before < 200);
}

static void sends_contents_when_the_agent_forgot_them(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one b=two");
	assert_synced(f, "a=one b=two");
	check_out(f, "b=two");
	assert_synced(f, "b=two");
	memory_evict(f->w.provider);
	f->w.twin.head = 1;
	mirror_mark_due(f->w.mirror, false);
	assert_synced(f, "a=one b=two");
}

static void streams_files_larger_than_a_frame(void **state)
{
	struct fixture *f = *state;
	size_t len = 3 * WIRE_DATA_MAX + 17;
	char *text = alloc_zero(len + 1);
	struct flat l = {0};
	struct plan_entry e = {.mode = MODE_FILE, .size = len};
	struct oid tree;

	memset(text, 'x', len);
	e.oid = twin_blob(&f->w.twin, text);
	free(text);
	flat_add(&l, "large", 5, &e);
	f->w.twin.head = twin_fragment_of(&f->w.twin, &l);
	assert_true(world_run(&f->w, 60000));
	assert_state(f, MIRROR_SYNCED);
	assert_true(memory_tree(f->w.provider, f->w.id, &tree));
	assert_true(oid_eq(&tree, &f->w.twin.trees[f->w.twin.head].id));
}

static void saves_what_the_sandbox_changed_then_carries_the_order_out(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one b=two");
	assert_synced(f, "a=one b=two");
	user_writes(f, "a", "precious");
	user_writes(f, "new", "also");
	check_out(f, "a=three");
	assert_synced(f, "a=three");
	assert_kept(f, 1, "precious");
	assert_kept(f, 1, "also");
	assert_false(oid_is_zero(&f->w.twin.rec.drift));
}

static void finds_changes_beside_a_switch_by_the_verify_behind_it(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one b=two");
	assert_synced(f, "a=one b=two");
	user_writes(f, "elsewhere", "precious");
	check_out(f, "a=three b=two");
	assert_synced(f, "a=three b=two");
	assert_kept(f, 1, "precious");
}

static void leaves_the_sandbox_s_changes_alone_while_nothing_is_ordered(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one b=two");
	assert_synced(f, "a=one b=two");
	user_writes(f, "a", "precious");
	for (int i = 0; i < 3; i++) {
		f->w.now += MIRROR_SETTLED_MS;
		world_run(&f->w, 1000);
		assert_true(world_run(&f->w, 1000));
	}
	assert_state(f, MIRROR_CONFLICT);
	assert_string_equal(world_files(&f->w), "a=precious b=two");
	assert_kept(f, 1, "precious");
	/* the same version, ordered */
	mirror_mark_due(f->w.mirror, true);
	assert_synced(f, "a=one b=two");
	assert_kept(f, 1, "precious");
}

static void brings_a_change_back_as_soon_as_the_agent_tells_of_it(void **state)
{
	struct fixture *f = *state;
	int64_t begin;

	check_out(f, "a=one");
	assert_synced(f, "a=one");
	begin = f->w.now;
	user_writes(f, "a", "precious");
	for (unsigned i = 0; i < 10 && f->w.mirror->state != MIRROR_CONFLICT; i++)
		(void)world_run(&f->w, 1000);
	assert_state(f, MIRROR_CONFLICT);
	assert_kept(f, 1, "precious");
	assert_true(f->w.now - begin < MIRROR_SETTLED_MS / 10);
}

/* A verify that was answered before the order came proves nothing about it. */
static void looks_again_for_an_order_that_came_while_it_was_looking(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one");
	assert_synced(f, "a=one");
	arm(f, MEMORY_REPLY, WIRE_VERIFIED, MEMORY_DELAY);
	f->fate.delay_ms = 5000;
	mirror_mark_due(f->w.mirror, true);
	assert_false(world_run(&f->w, 1000));
	assert_state(f, MIRROR_VERIFY);
	f->w.mirror->watch_id = UINT32_MAX; /* as if its notices were lost */
	user_writes(f, "a", "precious");
	mirror_mark_due(f->w.mirror, true);
	assert_synced(f, "a=one");
	assert_kept(f, 1, "precious");
}

/* Somebody works on it: edits are not commits. */
static void edit(struct fixture *f, const char *files)
{
	f->w.twin.live = twin_fragment(&f->w.twin, files);
	mirror_mark_due(f->w.mirror, false);
}

static void assert_in_step(struct fixture *f, const char *files)
{
	const struct twin *t = &f->w.twin;

	for (unsigned i = 0; i < 10; i++)
		(void)world_run(&f->w, 1000);
	assert_state(f, MIRROR_SYNCED);
	assert_string_equal(world_files(&f->w), files);
	assert_true(oid_eq(&t->rec.base, &t->trees[t->live].id));
}

static void carries_edits_into_the_sandbox(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one b=two");
	edit(f, "a=one b=two");
	assert_in_step(f, "a=one b=two");
	edit(f, "a=edited b=two c=new");
	assert_in_step(f, "a=edited b=two c=new");
	assert_int_equal(f->w.twin.n_kept, 0);
}

static void takes_what_the_sandbox_changed_into_the_work_tree(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one b=two");
	edit(f, "a=one b=two");
	assert_in_step(f, "a=one b=two");
	user_writes(f, "lock", "inside");
	assert_in_step(f, "a=one b=two lock=inside");
	assert_int_equal(f->w.twin.n_kept, 0);
}

static void joins_edits_of_both_sides(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one b=two");
	edit(f, "a=one b=two");
	assert_in_step(f, "a=one b=two");
	user_writes(f, "b", "theirs");
	edit(f, "a=ours b=two");
	assert_in_step(f, "a=ours b=theirs");
	assert_int_equal(f->w.twin.n_kept, 0);
}

static void shows_our_edit_and_saves_theirs_of_the_same_file(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one");
	edit(f, "a=one");
	assert_in_step(f, "a=one");
	user_writes(f, "a", "theirs");
	edit(f, "a=ours");
	assert_in_step(f, "a=ours");
	assert_kept(f, 1, "theirs");
}

/* A checkout is an order for another version: what the sandbox has is a fragment, and no part of it. */
static void a_checkout_takes_nothing_along(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one");
	edit(f, "a=one");
	assert_in_step(f, "a=one");
	user_writes(f, "b", "theirs");
	check_out(f, "a=two");
	edit(f, "a=two");
	assert_in_step(f, "a=two");
	assert_kept(f, 1, "theirs");
}

static void leaves_secrets_and_bulk_where_they_are(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=one");
	assert_synced(f, "a=one");
	user_writes(f, ".env", "KEY=secret");
	user_writes(f, "node_modules/m/index.js", "bulk");
	check_out(f, "a=two");
	assert_synced(f, ".env=KEY=secret a=two node_modules/m/index.js=bulk");
	assert_kept(f, 0, NULL);
}

static void keeps_a_changed_secret_that_the_fragment_has_too(void **state)
{
	struct fixture *f = *state;

	check_out(f, ".env=one a=1");
	assert_synced(f, ".env=one a=1");
	user_writes(f, ".env", "KEY=secret");
	check_out(f, ".env=two a=2");
	assert_true(world_run(&f->w, 60000));
	assert_state(f, MIRROR_CONFLICT);
	assert_non_null(strstr(f->w.mirror->why, "looks like a credential"));
	assert_string_equal(world_files(&f->w), ".env=KEY=secret a=2");
	assert_kept(f, 0, NULL);
}

static void halts_when_the_sandbox_lost_everything_and_heals_by_order(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=1 b=2");
	assert_synced(f, "a=1 b=2");
	memory_remove(f->w.provider, f->w.id, "a");
	memory_remove(f->w.provider, f->w.id, "b");
	f->w.now += MIRROR_SETTLED_MS;
	world_run(&f->w, 1000);
	assert_true(world_run(&f->w, 1000));
	assert_state(f, MIRROR_HALTED);
	assert_kept(f, 0, NULL);
	mirror_mark_due(f->w.mirror, true);
	assert_synced(f, "a=1 b=2");
}

static void fills_a_recreated_sandbox_again(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=1 b=2");
	assert_synced(f, "a=1 b=2");
	memory_recreate(f->w.provider, f->w.id);
	assert_synced(f, "a=1 b=2");
	assert_kept(f, 0, NULL);
}

static void saves_files_that_a_new_sandbox_came_with(void **state)
{
	struct fixture *f = *state;

	user_writes(f, "template", "from the image");
	check_out(f, "a=1");
	assert_synced(f, "a=1");
	assert_kept(f, 1, "from the image");
}

static void starts_a_sandbox_that_sleeps(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=1");
	assert_synced(f, "a=1");
	memory_sleep(f->w.provider, f->w.id);
	check_out(f, "a=2");
	assert_synced(f, "a=2");
}

static void says_when_the_sandbox_is_gone(void **state)
{
	struct fixture *f = *state;

	memcpy(f->w.twin.rec.id, "other", 6);
	check_out(f, "a=1");
	assert_true(world_run(&f->w, 1000));
	assert_state(f, MIRROR_GONE);
	assert_non_null(strstr(f->w.mirror->why, "frag sandbox up"));
}

static void refuses_a_sandbox_that_another_home_mirrors_into(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=1");
	assert_synced(f, "a=1");
	f->w.twin.rec.epoch[5] ^= 1;
	world_restart(&f->w);
	assert_true(world_run(&f->w, 1000));
	assert_state(f, MIRROR_HALTED);
	assert_string_equal(world_files(&f->w), "a=1");
	check_out(f, "a=2");
	assert_synced(f, "a=2");
}

static void backs_off_and_comes_back_after_an_outage(void **state)
{
	struct fixture *f = *state;

	arm(f, MEMORY_CALL, 'a', MEMORY_FAIL);
	check_out(f, "a=1");
	assert_false(world_run(&f->w, 0));
	assert_state(f, MIRROR_BACKOFF);
	assert_string_equal(f->w.twin.rec.error, "the provider cannot be reached");
	assert_synced(f, "a=1");
	assert_string_equal(f->w.twin.rec.error, "");
}

static void believes_no_answer_that_the_verify_does_not_bear_out(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=1");
	assert_synced(f, "a=1");
	arm(f, MEMORY_RENAME, 0, MEMORY_LIE);
	check_out(f, "a=2");
	assert_synced(f, "a=2");
}

static void heals_an_apply_that_stopped_half_way(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=1 b=1 c=1");
	assert_synced(f, "a=1 b=1 c=1");
	arm(f, MEMORY_RENAME, 1, MEMORY_CLOSE);
	check_out(f, "a=2 b=2 c=2");
	assert_synced(f, "a=2 b=2 c=2");
	/* what lay there was ours: nothing of it is a change of the sandbox's own */
	assert_kept(f, 0, NULL);
}

static void waits_while_another_process_is_at_it(void **state)
{
	struct fixture *f = *state;

	f->w.twin.held = true;
	check_out(f, "a=1");
	assert_false(world_run(&f->w, 100000));
	assert_string_equal(world_files(&f->w), "");
	f->w.twin.held = false;
	assert_synced(f, "a=1");
}

static void follows_the_newest_of_many_events(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=1");
	check_out(f, "a=2");
	check_out(f, "a=3");
	assert_synced(f, "a=3");
	assert_int_equal(f->w.twin.next_op, 1);
}

static void leaves_a_sandbox_that_was_stopped_asleep_until_an_order(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=1");
	assert_synced(f, "a=1");
	memory_sleep(f->w.provider, f->w.id);
	for (int i = 0; i < 3; i++) {
		world_run(&f->w, 1000);
		assert_true(world_run(&f->w, 1000));
		assert_state(f, MIRROR_ASLEEP);
		assert_false(f->w.twin.owned);
		f->w.now += MIRROR_SETTLED_MS;
	}
	f->w.twin.head = twin_fragment(&f->w.twin, "a=2");
	mirror_mark_due(f->w.mirror, false);
	assert_true(world_run(&f->w, 1000));
	assert_state(f, MIRROR_ASLEEP);
	mirror_mark_due(f->w.mirror, true);
	assert_synced(f, "a=2");
}

static void notices_a_dead_connection_without_a_switch(void **state)
{
	struct fixture *f = *state;

	check_out(f, "a=1");
	assert_synced(f, "a=1");
	memory_recreate(f->w.provider, f->w.id);
	world_run(&f->w, 0);
	assert_synced(f, "a=1");
	assert_true(f->w.mirror->trusted);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(fills_a_new_sandbox_and_proves_it),
		CASE(a_switch_is_one_exchange_on_the_open_stream),
		CASE(goes_back_without_sending_contents),
		CASE(sends_contents_when_the_agent_forgot_them),
		CASE(streams_files_larger_than_a_frame),
		CASE(saves_what_the_sandbox_changed_then_carries_the_order_out),
		CASE(finds_changes_beside_a_switch_by_the_verify_behind_it),
		CASE(leaves_the_sandbox_s_changes_alone_while_nothing_is_ordered),
		CASE(brings_a_change_back_as_soon_as_the_agent_tells_of_it),
		CASE(looks_again_for_an_order_that_came_while_it_was_looking),
		CASE(carries_edits_into_the_sandbox),
		CASE(takes_what_the_sandbox_changed_into_the_work_tree),
		CASE(joins_edits_of_both_sides),
		CASE(shows_our_edit_and_saves_theirs_of_the_same_file),
		CASE(a_checkout_takes_nothing_along),
		CASE(leaves_secrets_and_bulk_where_they_are),
		CASE(keeps_a_changed_secret_that_the_fragment_has_too),
		CASE(halts_when_the_sandbox_lost_everything_and_heals_by_order),
		CASE(fills_a_recreated_sandbox_again),
		CASE(saves_files_that_a_new_sandbox_came_with),
		CASE(starts_a_sandbox_that_sleeps),
		CASE(says_when_the_sandbox_is_gone),
		CASE(refuses_a_sandbox_that_another_home_mirrors_into),
		CASE(backs_off_and_comes_back_after_an_outage),
		CASE(believes_no_answer_that_the_verify_does_not_bear_out),
		CASE(heals_an_apply_that_stopped_half_way),
		CASE(waits_while_another_process_is_at_it),
		CASE(follows_the_newest_of_many_events),
		CASE(leaves_a_sandbox_that_was_stopped_asleep_until_an_order),
		CASE(notices_a_dead_connection_without_a_switch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
