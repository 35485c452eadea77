/* tests/unit/test_memory.c - the in-process provider keeps the contracts of provider.h and wire.h. */
#include "provider/memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/judge.h"
#include "base/sha1.h"
#include "provider/agent/treehash.h"
#include "provider/agent/wire.h"
#include "provider/provider.h"

struct fixture {
	struct clock clock;
	int64_t now;
	struct provider *p;
	struct provider_sandbox box;
	struct channel *ch;
	struct wire_stream in;
	struct memory_fate fate; /* what the test wants … */
	enum memory_event event; /* … at this event, once */
	unsigned what;
	bool armed;
	int result, n_done;
};

static int64_t now(void *arg)
{
	return ((struct fixture *)arg)->now;
}

static void decide(enum memory_event event, unsigned what, struct memory_fate *ret, void *arg)
{
	struct fixture *f = arg;

	if (!f->armed || event != f->event || what != f->what)
		return;
	f->armed = false;
	*ret = f->fate;
}

static void arm(struct fixture *f, enum memory_event event, unsigned what,
		struct memory_fate fate)
{
	f->event = event;
	f->what = what;
	f->fate = fate;
	f->armed = true;
}

static void note_done(struct provider_call *c, int result)
{
	struct fixture *f = c->arg;

	f->result = result;
	f->n_done++;
}

/* Polls once and says what the verb's call got. */
static int answered(struct fixture *f, int r)
{
	assert_int_equal(r, 0);
	f->n_done = 0;
	provider_poll(f->p, NULL, 0, 0);
	return f->n_done == 1 ? f->result : -EINPROGRESS;
}

static struct provider_call call(struct fixture *f)
{
	return (struct provider_call){.done = note_done, .arg = f, .deadline_ms = 1000};
}

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));
	struct provider_spec spec = {.label = "shop"};
	struct provider_call c;

	f->clock = (struct clock){.now = now, .wall = now, .arg = f};
	f->now = 1000;
	f->p = provider_memory_new(&f->clock);
	memory_set_fate(f->p, decide, f);
	c = call(f);
	assert_int_equal(answered(f, provider_create(f->p, &spec, &f->box, &c)), 0);
	c = call(f);
	assert_int_equal(answered(f, provider_agent_open(f->p, f->box.id, &f->ch, &c)), 0);
	wire_stream_init(&f->in);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->ch)
		f->ch->ops->close(f->ch);
	wire_stream_deinit(&f->in);
	provider_free(f->p);
	free(f);
	return 0;
}

static void tell(struct fixture *f, const struct wire_frame *frame)
{
	struct buf b;

	buf_init(&b, WIRE_FRAME_MAX + 4);
	assert_int_equal(wire_encode(&b, frame), 0);
	for (size_t at = 0; at < b.len;) {
		ssize_t n = f->ch->ops->send(f->ch, b.data + at, b.len - at);

		if (n == -EAGAIN || n == -EPIPE) {
			if (n == -EPIPE)
				break;
			provider_poll(f->p, NULL, 0, 0);
			continue;
		}
		assert_true(n > 0);
		at += (size_t)n;
	}
	buf_deinit(&b);
}

/* The next reply; false when nothing (more) comes. */
static bool hear(struct fixture *f, struct wire_frame *ret)
{
	provider_poll(f->p, NULL, 0, 0);
	for (;;) {
		size_t room;
		ssize_t n;
		void *p;

		if (wire_stream_next(&f->in, ret) == 0)
			return true;
		p = wire_stream_room(&f->in, &room);
		n = f->ch->ops->recv(f->ch, p, room);
		if (n <= 0)
			return false;
		wire_stream_filled(&f->in, (size_t)n);
	}
}

static struct wire_frame ask(struct fixture *f, const struct wire_frame *frame)
{
	struct wire_frame a = {0};

	tell(f, frame);
	assert_true(hear(f, &a));
	return a;
}

static struct wire_frame greet(struct fixture *f)
{
	return ask(f, &(struct wire_frame){.type = WIRE_HELLO, .version = WIRE_VERSION});
}

static struct oid tree_of(const char *path, const char *text)
{
	struct treehash *t = treehash_new();
	struct oid oid;

	if (path) {
		sha1_blob(text, strlen(text), &oid);
		assert_int_equal(treehash_add(t, path, MODE_FILE, &oid), 0);
	}
	assert_int_equal(treehash_end(t, &oid), 0);
	treehash_free(t);
	return oid;
}

static void tell_file(struct fixture *f, const char *path, const char *text, uint8_t source)
{
	struct wire_frame file = {
		.type = WIRE_FILE,
		.id = 7,
		.mode = MODE_FILE,
		.size = strlen(text),
		.source = source,
		.path = wire_str(path),
	};

	sha1_blob(text, strlen(text), &file.oid);
	if (source == WIRE_INLINE)
		file.data = wire_data(text, strlen(text));
	tell(f, &file);
}

static void tell_apply(struct fixture *f, const struct oid *from, const struct oid *to)
{
	tell(f, &(struct wire_frame){
			.type = WIRE_APPLY, .id = 7, .from = *from, .to = *to, .n_changes = 1});
}

/* One file from nothing; returns the answer. */
static struct wire_frame apply_one(struct fixture *f, const char *path, const char *text)
{
	struct oid from = tree_of(NULL, NULL), to = tree_of(path, text);

	tell_apply(f, &from, &to);
	tell_file(f, path, text, WIRE_INLINE);
	return ask(f, &(struct wire_frame){.type = WIRE_COMMIT, .id = 7});
}

static void answers_a_call_only_from_poll_and_once(void **state)
{
	struct fixture *f = *state;
	struct provider_call c = call(f);
	struct provider_sandbox box;

	f->n_done = 0;
	assert_int_equal(provider_get(f->p, f->box.id, &box, &c), 0);
	assert_int_equal(f->n_done, 0);
	provider_poll(f->p, NULL, 0, 0);
	provider_poll(f->p, NULL, 0, 0);
	assert_int_equal(f->n_done, 1);
	assert_string_equal(box.label, "shop");
}

static void names_what_is_gone_and_what_sleeps(void **state)
{
	struct fixture *f = *state;
	struct provider_call c = call(f);
	struct provider_sandbox box;
	struct channel *ch;

	assert_int_equal(answered(f, provider_get(f->p, "nobody", &box, &c)), PROVIDER_GONE);
	assert_true(memory_sleep(f->p, f->box.id));
	assert_int_equal(answered(f, provider_agent_open(f->p, f->box.id, &ch, &c)),
			 PROVIDER_ASLEEP);
	assert_int_equal(answered(f, provider_start(f->p, f->box.id, &c)), 0);
	assert_int_equal(answered(f, provider_get(f->p, f->box.id, &box, &c)), 0);
	assert_int_equal(box.state, PROVIDER_RUNNING);
	assert_int_equal(answered(f, provider_delete(f->p, f->box.id, &c)), 0);
	assert_int_equal(answered(f, provider_delete(f->p, f->box.id, &c)), 0);
	assert_int_equal(answered(f, provider_get(f->p, f->box.id, &box, &c)), PROVIDER_GONE);
}

static void keeps_deadlines_and_cancels(void **state)
{
	struct fixture *f = *state;
	struct provider_call c = call(f);
	struct provider_sandbox box;

	arm(f, MEMORY_CALL, 'g', (struct memory_fate){.verdict = MEMORY_DROP});
	assert_int_equal(answered(f, provider_get(f->p, f->box.id, &box, &c)), -EINPROGRESS);
	f->now += 999;
	assert_int_equal(answered(f, 0), -EINPROGRESS);
	f->now += 1;
	assert_int_equal(answered(f, 0), -ETIMEDOUT);
	arm(f, MEMORY_CALL, 'g', (struct memory_fate){.verdict = MEMORY_DROP});
	assert_int_equal(provider_get(f->p, f->box.id, &box, &c), 0);
	assert_int_equal(answered(f, provider_cancel(f->p, &c)), -ECANCELED);
}

static void puts_and_fetches_whole_files(void **state)
{
	struct fixture *f = *state;
	struct provider_call c = call(f);
	struct provider_file file = {
		.path = "/project/a/b", .data = "x\0y", .len = 3, .mode = 0755};
	struct buf b;
	struct provider_sink sink = {.path = "/project/a/b", .into = &b};

	buf_init(&b, 16);
	assert_int_equal(answered(f, provider_put(f->p, f->box.id, &file, &c)), 0);
	assert_int_equal(answered(f, provider_fetch(f->p, f->box.id, &sink, &c)), 0);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "x\0y", 3);
	sink.path = "/no";
	assert_int_equal(answered(f, provider_fetch(f->p, f->box.id, &sink, &c)),
			 PROVIDER_REFUSED);
	buf_deinit(&b);
}

static void applies_verifies_and_proves_it_by_the_tree(void **state)
{
	struct fixture *f = *state;
	struct oid to = tree_of("src/a", "one");
	struct wire_frame a = greet(f);

	assert_int_equal(a.type, WIRE_WELCOME);
	assert_true(oid_eq(&a.tree, &(struct oid){0}) == false);
	a = apply_one(f, "src/a", "one");
	assert_int_equal(a.type, WIRE_APPLIED);
	a = ask(f, &(struct wire_frame){.type = WIRE_VERIFY, .id = 8});
	assert_int_equal(a.type, WIRE_VERIFIED);
	assert_true(oid_eq(&a.tree, &to));
	assert_int_equal(a.n_drift, 0);
}

static void counts_what_the_user_changed_as_drift(void **state)
{
	struct fixture *f = *state;
	struct wire_frame a;

	greet(f);
	apply_one(f, "a", "one");
	memory_write(f->p, f->box.id, "a", MODE_FILE, "two");
	memory_write(f->p, f->box.id, "new", MODE_FILE, "three");
	memory_write(f->p, f->box.id, "node_modules/x", MODE_FILE, "bulk");
	memory_write(f->p, f->box.id, ".env", MODE_FILE, "KEY=1");
	a = ask(f, &(struct wire_frame){.type = WIRE_VERIFY});
	assert_int_equal(a.n_drift, 2);
	assert_int_equal(a.n_files, 2);
	a = apply_one(f, "a", "four");
	assert_int_equal(a.code, WIRE_E_MOVED);
}

static void refuses_to_replace_what_it_did_not_apply(void **state)
{
	struct fixture *f = *state;
	struct wire_frame a;
	struct buf b;
	uint32_t mode;

	greet(f);
	memory_write(f->p, f->box.id, "a", MODE_FILE, "mine");
	a = apply_one(f, "a", "one");
	assert_int_equal(a.code, WIRE_E_DRIFT);
	assert_memory_equal(a.message.p, "a", 1);
	buf_init(&b, 16);
	assert_true(memory_read(f->p, f->box.id, "a", &b, &mode));
	assert_string_equal(b.data, "mine");
	buf_deinit(&b);
}

static void a_manifest_adopts_what_it_lists(void **state)
{
	struct fixture *f = *state;
	struct oid to = tree_of("a", "one"), mine = tree_of("a", "mine");
	struct wire_frame a;

	greet(f);
	memory_write(f->p, f->box.id, "a", MODE_FILE, "mine");
	a = ask(f, &(struct wire_frame){.type = WIRE_MANIFEST, .id = 3});
	assert_int_equal(a.type, WIRE_ENTRY);
	assert_memory_equal(a.path.p, "a", 1);
	assert_int_equal(a.size, 4);
	assert_true(hear(f, &a));
	assert_int_equal(a.type, WIRE_END);
	assert_int_equal(a.n, 1);
	assert_true(oid_eq(&a.tree, &mine));
	tell_apply(f, &mine, &to);
	tell_file(f, "a", "one", WIRE_INLINE);
	a = ask(f, &(struct wire_frame){.type = WIRE_COMMIT, .id = 7});
	assert_int_equal(a.type, WIRE_APPLIED);
	a = ask(f, &(struct wire_frame){.type = WIRE_FETCH, .path = wire_str("a")});
	assert_int_equal(a.type, WIRE_BYTES);
	assert_memory_equal(a.data.p, "one", 3);
}

static void remembers_contents_until_they_are_evicted(void **state)
{
	struct fixture *f = *state;
	struct oid one = tree_of("a", "one"), two = tree_of("a", "two");
	struct wire_frame a;

	greet(f);
	apply_one(f, "a", "one");
	tell_apply(f, &one, &two);
	tell_file(f, "a", "two", WIRE_INLINE);
	a = ask(f, &(struct wire_frame){.type = WIRE_COMMIT, .id = 7});
	assert_int_equal(a.type, WIRE_APPLIED);
	memory_evict(f->p);
	tell_apply(f, &two, &one);
	tell_file(f, "a", "one", WIRE_CACHED);
	a = ask(f, &(struct wire_frame){.type = WIRE_COMMIT, .id = 7});
	assert_int_equal(a.code, WIRE_E_NOT_RESIDENT);
	tell_apply(f, &two, &two);
	tell_file(f, "a", "two", WIRE_CACHED);
	a = ask(f, &(struct wire_frame){.type = WIRE_COMMIT, .id = 7});
	assert_int_equal(a.type, WIRE_APPLIED);
}

static void refuses_bad_names_wrong_bytes_and_wrong_trees(void **state)
{
	struct fixture *f = *state;
	struct oid none = tree_of(NULL, NULL), to = tree_of("a", "one");
	struct wire_frame a;

	greet(f);
	tell_apply(f, &none, &to);
	tell_file(f, "../a", "one", WIRE_INLINE);
	a = ask(f, &(struct wire_frame){.type = WIRE_COMMIT, .id = 7});
	assert_int_equal(a.code, WIRE_E_PATH);
	tell_apply(f, &none, &to);
	tell(f, &(struct wire_frame){.type = WIRE_FILE,
				     .id = 7,
				     .mode = MODE_FILE,
				     .size = 3,
				     .path = wire_str("a"),
				     .data = wire_data("two", 3)});
	a = ask(f, &(struct wire_frame){.type = WIRE_COMMIT, .id = 7});
	assert_int_equal(a.code, WIRE_E_HASH);
	tell_apply(f, &none, &to);
	tell_file(f, "b", "one", WIRE_INLINE);
	a = ask(f, &(struct wire_frame){.type = WIRE_COMMIT, .id = 7});
	assert_int_equal(a.code, WIRE_E_HASH);
}

static void plants_an_epoch_once_and_loses_it_with_the_sandbox(void **state)
{
	struct fixture *f = *state;
	struct wire_frame epoch = {.type = WIRE_EPOCH, .epoch = "0123456789abcde"}, a;
	struct provider_call c = call(f);

	greet(f);
	assert_int_equal(ask(f, &epoch).type, WIRE_OK);
	assert_memory_equal(greet(f).epoch, epoch.epoch, 16);
	epoch.epoch[0] = 'x';
	assert_int_equal(ask(f, &epoch).type, WIRE_ERROR);
	memory_recreate(f->p, f->box.id);
	assert_false(hear(f, &a));
	f->ch->ops->close(f->ch);
	assert_int_equal(answered(f, provider_agent_open(f->p, f->box.id, &f->ch, &c)), 0);
	assert_int_equal(greet(f).epoch[0], 0);
}

static void stops_half_way_when_it_is_told_to(void **state)
{
	struct fixture *f = *state;
	struct oid none = tree_of(NULL, NULL), to = tree_of("a", "one"), is;
	struct wire_frame a;

	greet(f);
	tell_apply(f, &none, &to);
	tell_file(f, "a", "one", WIRE_INLINE);
	arm(f, MEMORY_RENAME, 0, (struct memory_fate){.verdict = MEMORY_CLOSE});
	tell(f, &(struct wire_frame){.type = WIRE_COMMIT, .id = 7});
	assert_false(hear(f, &a));
	assert_true(memory_tree(f->p, f->box.id, &is));
	assert_true(oid_eq(&is, &none));
}

static void delays_cuts_and_doubles_replies(void **state)
{
	struct fixture *f = *state;
	struct wire_frame a;

	arm(f, MEMORY_REPLY, WIRE_WELCOME,
	    (struct memory_fate){.verdict = MEMORY_DELAY, .delay_ms = 50});
	tell(f, &(struct wire_frame){.type = WIRE_HELLO, .version = WIRE_VERSION});
	assert_false(hear(f, &a));
	f->now += 50;
	assert_true(hear(f, &a));
	arm(f, MEMORY_REPLY, WIRE_VERIFIED, (struct memory_fate){.verdict = MEMORY_DUPLICATE});
	tell(f, &(struct wire_frame){.type = WIRE_VERIFY});
	assert_true(hear(f, &a));
	assert_true(hear(f, &a));
	assert_int_equal(a.type, WIRE_VERIFIED);
	arm(f, MEMORY_REPLY, WIRE_VERIFIED, (struct memory_fate){.verdict = MEMORY_TRUNCATE});
	tell(f, &(struct wire_frame){.type = WIRE_VERIFY});
	assert_false(hear(f, &a));
	assert_int_equal(f->ch->ops->send(f->ch, "x", 1), -EPIPE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(answers_a_call_only_from_poll_and_once),
		CASE(names_what_is_gone_and_what_sleeps),
		CASE(keeps_deadlines_and_cancels),
		CASE(puts_and_fetches_whole_files),
		CASE(applies_verifies_and_proves_it_by_the_tree),
		CASE(counts_what_the_user_changed_as_drift),
		CASE(refuses_to_replace_what_it_did_not_apply),
		CASE(a_manifest_adopts_what_it_lists),
		CASE(remembers_contents_until_they_are_evicted),
		CASE(refuses_bad_names_wrong_bytes_and_wrong_trees),
		CASE(plants_an_epoch_once_and_loses_it_with_the_sandbox),
		CASE(stops_half_way_when_it_is_told_to),
		CASE(delays_cuts_and_doubles_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
