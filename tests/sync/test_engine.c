/* tests/sync/test_engine.c - mirrors over a real home: run alone, hosted, and what they keep of a sandbox. */
#include "sync/engine.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* ours is another */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/judge.h"
#include "provider/memory.h"
#include "provider/provider.h"
#include "store/commit.h"
#include "store/diff.h"
#include "store/fragment.h"
#include "store/project.h"
#include "store/ref.h"
#include "store/refresh.h"
#include "store/store.h"
#include "tests/scratch.h"

struct fixture {
	struct scratch s;
	char home[300];
	struct store *st;
	struct project *p;
	struct provider *provider;
	struct provider_sandbox box;
};

static int start_create(struct provider *p, void *arg, struct provider_call *c)
{
	static const struct provider_spec spec = {.label = "shop"};

	return provider_create(p, &spec, arg, c);
}

/* A commit of two files on main, whose texts are given. */
static struct oid commit(struct fixture *f, const char *a, const char *b)
{
	char who[] = "Ada", mail[] = "ada@example.org";
	struct commit_file files[] = {
		{.path = "a", .mode = MODE_FILE, .data = a, .len = strlen(a)},
		{.path = "lib/b", .mode = MODE_EXEC, .data = b, .len = strlen(b)},
	};
	struct commit_spec spec = {
		.files = files,
		.n_files = 2,
		.author = {.name = who, .email = mail, .time = 1700000000},
		.committer = {.name = who, .email = mail, .time = 1700000000},
		.message = "change\n",
	};
	struct refresh_result refreshed;
	struct oid was = {0}, id;

	if (ref_read(f->p, "refs/heads/main", &was) == 0) {
		spec.parents = &was;
		spec.n_parents = 1;
	}
	assert_int_equal(commit_write(f->p, &spec, &id), 0);
	assert_int_equal(ref_advance(f->p, "refs/heads/main", &was, &id, "test"), 0);
	assert_int_equal(project_set_head(f->p, "refs/heads/main", &id), 0);
	assert_int_equal(refresh_project(f->p, NULL, NULL, &refreshed), 0);
	return id;
}

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));

	scratch_init(&f->s);
	(void)snprintf(f->home, sizeof(f->home), "%s/home", f->s.path);
	assert_int_equal(store_init(f->home), 0);
	assert_int_equal(store_open(f->home, &f->st), 0);
	assert_int_equal(project_create(f->st, "shop", &f->p), 0);
	f->provider = provider_memory_new(clock_system());
	assert_int_equal(provider_run(f->provider, start_create, &f->box, 1000, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	provider_free(f->provider);
	project_unref(f->p);
	store_close(f->st);
	scratch_deinit(&f->s);
	free(f);
	return 0;
}

static void assert_inside(struct fixture *f, const char *path, const char *text)
{
	struct buf b;
	uint32_t mode;

	buf_init(&b, 4096);
	assert_true(memory_read(f->provider, f->box.id, path, &b, &mode));
	assert_string_equal(b.data, text);
	buf_deinit(&b);
}

static int run(struct fixture *f, bool order, struct mirror_status *ret)
{
	struct mirror_options o = {.timeout_ms = 5000, .order = order};

	return mirror_run(f->st, f->provider, f->p, &o, ret);
}

static void says_when_there_is_no_sandbox(void **state)
{
	struct fixture *f = *state;
	struct mirror_status s;

	commit(f, "one", "two");
	assert_int_equal(mirror_look(f->st, f->p, &s), MIRROR_NONE);
	assert_int_equal(run(f, true, &s), MIRROR_NONE);
}

static void runs_to_a_verified_end_and_leaves_a_true_record(void **state)
{
	struct fixture *f = *state;
	struct mirror_status s;
	struct oid tree;

	commit(f, "one", "two");
	assert_int_equal(mirror_attach(f->st, f->p, "memory", f->box.id), 0);
	assert_int_equal(mirror_look(f->st, f->p, &s), 0);
	assert_false(s.verified);
	assert_int_equal(run(f, false, &s), 0);
	assert_true(s.verified);
	assert_inside(f, "a", "one");
	assert_true(memory_tree(f->provider, f->box.id, &tree));
	assert_int_equal(mirror_look(f->st, f->p, &s), 0);
	assert_true(s.verified);
	assert_true(oid_eq(&s.record.observed, &tree));
	commit(f, "three", "two");
	assert_int_equal(mirror_look(f->st, f->p, &s), 0);
	assert_false(s.verified);
	assert_int_equal(s.state, MIRROR_DUE);
}

static int note_change(const struct diff_change *c, void *arg)
{
	char *text = arg;
	size_t n = strlen(text);

	(void)snprintf(text + n, 200 - n, "%c%s ",
		       c->kind == DIFF_ADDED     ? '+'
		       : c->kind == DIFF_DELETED ? '-'
						 : '~',
		       c->path);
	return 0;
}

static void keeps_what_a_sandbox_changed_as_a_fragment(void **state)
{
	struct fixture *f = *state;
	struct mirror_status s;
	struct fragment kept, base;
	struct oid first = commit(f, "one", "two"), again;
	char changes[200] = "";

	assert_int_equal(mirror_attach(f->st, f->p, "memory", f->box.id), 0);
	assert_int_equal(run(f, true, &s), 0);
	memory_write(f->provider, f->box.id, "lib/new", MODE_FILE, "precious");
	memory_write(f->provider, f->box.id, ".env", MODE_FILE, "KEY=1");
	memory_remove(f->provider, f->box.id, "lib/b");
	commit(f, "three", "two");
	assert_int_equal(run(f, true, &s), 0);
	assert_inside(f, "a", "three");
	assert_inside(f, "lib/b", "two");
	assert_int_equal(fragment_by_commit(f->p, &s.record.drift, &kept), 0);
	assert_int_equal(fragment_by_commit(f->p, &first, &base), 0);
	assert_int_equal(diff_trees(f->p, &base.tree, &kept.tree, note_change, changes), 0);
	assert_string_equal(changes, "-lib/b +lib/new ");
	assert_int_equal(project_set_head(f->p, NULL, &kept.commit), 0);
	again = s.record.drift;
	assert_int_equal(run(f, true, &s), 0);
	assert_inside(f, "lib/new", "precious");
	assert_true(oid_eq(&s.record.drift, &again));
}

static void another_provider_s_sandbox_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mirror_status s;

	commit(f, "one", "two");
	assert_int_equal(mirror_attach(f->st, f->p, "elsewhere", f->box.id), 0);
	assert_int_equal(run(f, true, &s), MIRROR_STUCK);
	assert_non_null(strstr(s.why, "elsewhere"));
}

static struct engine *make_engine(struct fixture *f)
{
	struct engine_config config = {
		.store = f->st, .provider = f->provider, .clock = clock_system()};
	struct engine *e;

	assert_int_equal(engine_new(&config, &e), 0);
	return e;
}

/* Steps until the project's sandbox is verified at HEAD, for five seconds at most. */
static bool step_until_verified(struct fixture *f, struct engine *e)
{
	int64_t end = clock_now(clock_system()) + 5000;
	struct mirror_status s, look;

	while (clock_now(clock_system()) < end) {
		assert_int_equal(engine_step(e, 10), 0);
		if (engine_status(e, "shop", &s) == 0 && s.verified &&
		    mirror_look(f->st, f->p, &look) == 0 && look.verified)
			return true;
	}
	return false;
}

static void an_engine_finds_its_sandboxes_and_follows(void **state)
{
	struct fixture *f = *state;
	struct mirror_status s;
	struct engine *e;

	commit(f, "one", "two");
	assert_int_equal(mirror_attach(f->st, f->p, "memory", f->box.id), 0);
	e = make_engine(f);
	assert_true(step_until_verified(f, e));
	assert_inside(f, "a", "one");
	commit(f, "three", "two");
	engine_due(e, "shop");
	assert_true(step_until_verified(f, e));
	assert_inside(f, "a", "three");
	engine_due(e, "nobody");
	assert_int_equal(engine_step(e, 0), 0);
	assert_int_equal(engine_status(e, "nobody", &s), MIRROR_NONE);
	engine_free(e);
}

static void an_engine_meets_a_new_sandbox_and_forgets_an_old_one(void **state)
{
	struct fixture *f = *state;
	struct engine *e = make_engine(f);
	struct mirror_status s;

	commit(f, "one", "two");
	assert_int_equal(engine_step(e, 0), 0);
	assert_int_equal(engine_status(e, "shop", &s), MIRROR_NONE);
	assert_int_equal(mirror_attach(f->st, f->p, "memory", f->box.id), 0);
	engine_due(e, "shop");
	assert_true(step_until_verified(f, e));
	assert_int_equal(state_sandbox_delete(f->st, project_id(f->p)), 0);
	engine_due(e, "shop");
	for (int i = 0; i < 10 && engine_status(e, "shop", &s) == 0; i++)
		assert_int_equal(engine_step(e, 10), 0);
	assert_int_equal(engine_status(e, "shop", &s), MIRROR_NONE);
	engine_free(e);
}

static void a_command_and_an_engine_share_a_sandbox(void **state)
{
	struct fixture *f = *state;
	struct engine *e;
	struct mirror_status s;

	commit(f, "one", "two");
	assert_int_equal(mirror_attach(f->st, f->p, "memory", f->box.id), 0);
	e = make_engine(f);
	assert_true(step_until_verified(f, e));
	for (int i = 0; i < 3; i++) {
		commit(f, i % 2 ? "odd" : "even", "two");
		assert_int_equal(run(f, true, &s), 0);
		engine_due(e, "shop");
		assert_true(step_until_verified(f, e));
		assert_inside(f, "a", i % 2 ? "odd" : "even");
	}
	assert_true(oid_is_zero(&s.record.drift));
	engine_free(e);
}

static void a_pause_holds_for_engine_and_command(void **state)
{
	struct fixture *f = *state;
	struct engine *e;
	struct mirror_status s;

	commit(f, "one", "two");
	assert_int_equal(mirror_pause(f->st, f->p, true, 1000), MIRROR_NONE);
	assert_int_equal(mirror_attach(f->st, f->p, "memory", f->box.id), 0);
	e = make_engine(f);
	assert_true(step_until_verified(f, e));
	assert_int_equal(mirror_pause(f->st, f->p, true, 1000), 0);
	commit(f, "three", "two");
	engine_due(e, "shop");
	for (int i = 0; i < 10; i++)
		assert_int_equal(engine_step(e, 10), 0);
	assert_int_equal(engine_status(e, "shop", &s), 0);
	assert_int_equal(s.state, MIRROR_PAUSED);
	assert_int_equal(run(f, true, &s), MIRROR_STUCK);
	assert_inside(f, "a", "one");
	assert_int_equal(mirror_pause(f->st, f->p, false, 1000), 0);
	engine_due(e, "shop");
	assert_true(step_until_verified(f, e));
	assert_inside(f, "a", "three");
	engine_free(e);
}

struct stepping {
	struct engine *e;
	pthread_t thread;
};

static void start_stepping(struct stepping *s, struct engine *e)
{
	s->e = e;
	assert_int_equal(pthread_create(&s->thread, NULL, engine_thread, e), 0);
}

static void end_stepping(struct stepping *s)
{
	engine_stop(s->e);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	engine_free(s->e);
}

static void a_request_is_answered_when_it_was_carried_out(void **state)
{
	struct fixture *f = *state;
	struct stepping s;
	struct mirror_status status;
	uint64_t ticket;

	commit(f, "one", "two");
	assert_int_equal(mirror_attach(f->st, f->p, "memory", f->box.id), 0);
	start_stepping(&s, make_engine(f));
	for (int i = 0; i < 4; i++) {
		commit(f, i % 2 ? "odd" : "even", "two");
		ticket = engine_request(s.e, "shop", true, i == 3);
		assert_int_equal(engine_await(s.e, "shop", ticket, 60000, &status), 0);
		assert_true(status.verified);
		assert_inside(f, "a", i % 2 ? "odd" : "even");
	}
	end_stepping(&s);
}

static void a_request_without_a_sandbox_is_answered_too(void **state)
{
	struct fixture *f = *state;
	struct stepping s;
	struct mirror_status status;
	uint64_t ticket;

	commit(f, "one", "two");
	start_stepping(&s, make_engine(f));
	ticket = engine_request(s.e, "shop", false, false);
	assert_int_equal(engine_await(s.e, "shop", ticket, 60000, &status), MIRROR_NONE);
	ticket = engine_request(s.e, "nobody", false, false);
	assert_int_equal(engine_await(s.e, "nobody", ticket, 60000, &status), MIRROR_NONE);
	end_stepping(&s);
}

static void an_await_ends_when_its_time_is_over(void **state)
{
	struct fixture *f = *state;
	struct engine *e = make_engine(f);
	struct mirror_status status;

	/* Nobody steps it. */
	assert_int_equal(
		engine_await(e, "shop", engine_request(e, "shop", false, false), 1, &status),
		MIRROR_LATE);
	engine_free(e);
}

static void a_status_is_read_as_it_was_written(void **state)
{
	struct fixture *f = *state;
	struct mirror_status s, again;
	struct json_out o;
	struct json *doc;
	struct buf b;
	char why[100];

	commit(f, "one", "two");
	assert_int_equal(mirror_attach(f->st, f->p, "memory", f->box.id), 0);
	assert_int_equal(run(f, true, &s), 0);
	buf_init(&b, 65536);
	json_out_buf(&o, &b);
	json_begin(&o, '{');
	mirror_status_json(&s, &o);
	json_end(&o, '}');
	assert_int_equal(json_out_end(&o), 0);
	assert_int_equal(json_parse(b.data, b.len, &doc, why, sizeof(why)), 0);
	assert_true(mirror_status_parse(doc, &again));
	json_free(doc);
	buf_deinit(&b);
	assert_int_equal(again.state, s.state);
	assert_int_equal(again.plan, s.plan);
	assert_true(again.verified);
	assert_true(oid_eq(&again.record.observed, &s.record.observed));
	assert_true(oid_eq(&again.record.desired_commit, &s.record.desired_commit));
	assert_string_equal(again.record.id, s.record.id);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(says_when_there_is_no_sandbox),
		CASE(runs_to_a_verified_end_and_leaves_a_true_record),
		CASE(keeps_what_a_sandbox_changed_as_a_fragment),
		CASE(another_provider_s_sandbox_is_refused),
		CASE(an_engine_finds_its_sandboxes_and_follows),
		CASE(an_engine_meets_a_new_sandbox_and_forgets_an_old_one),
		CASE(a_command_and_an_engine_share_a_sandbox),
		CASE(a_pause_holds_for_engine_and_command),
		CASE(a_request_is_answered_when_it_was_carried_out),
		CASE(a_request_without_a_sandbox_is_answered_too),
		CASE(an_await_ends_when_its_time_is_over),
		CASE(a_status_is_read_as_it_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
