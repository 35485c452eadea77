/* tests/sync/test_storm.c - the whole machine in bad weather, thousands of times, each time twice.
 *
 * A seed decides everything: which fragments there are, when HEAD moves, what a user does inside (also in the middle of a
 * conversation), which replies are late, lost, doubled, cut or lies, when the sandbox sleeps or is replaced,
 * and where the process dies. After a while the weather clears. Then:
 *   - the sandbox holds HEAD's tree, verified, within ten minutes of the world's time;
 * In every other story somebody works on the project, and edits of both sides meet.
 *   - nothing a user wrote and did not himself replace is lost: it is in the sandbox or in history;
 *   - no state outlived its deadline and nothing ever spun (world_run() sees to both);
 *   - a second run of the seed wrote the very same journal.
 * STORM_SEEDS sets how many (1,500 by default), STORM_SEED where they start.
 *
 * The deaths are exhaustive in a test of their own: a story is told again and again, and each time the process dies
 * one durable write, or one event at the provider, later than the time before, until it is told to its end.
 */
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

enum { FRAGMENTS = 6, OWED_MAX = 256, SCENES = 30, CALM_MS = 600000 };

/* What a user wrote and expects to find again. */
struct owed {
	char path[16];
	struct oid content;
};

struct storm {
	struct world w;
	uint64_t random;
	unsigned wetness; /* of 1,000 events so many go wrong; 0: the weather is fine */
	struct owed owed[OWED_MAX];
	size_t n_owed;
	unsigned n_written, n_faults, n_deaths, n_moves;
};

static uint64_t roll(struct storm *s, uint64_t n)
{
	uint64_t z = s->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % n;
}

/* ---- the user inside ---- */

static void forgive(struct storm *s, const char *path)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_owed; i++)
		if (path && strcmp(s->owed[i].path, path) != 0)
			s->owed[n++] = s->owed[i];
	s->n_owed = n;
}

struct clash {
	const char *path;
	bool found;
};

static void look_for_clash(const char *path, uint32_t mode, const struct oid *oid, void *arg)
{
	struct clash *c = arg;
	size_t a = strlen(path), b = strlen(c->path);

	c->found |= a > b && memcmp(path, c->path, b) == 0 && path[b] == '/';
	c->found |= b > a && memcmp(path, c->path, a) == 0 && c->path[a] == '/';
}

static void user_acts(struct storm *s)
{
	static const char *const paths[] = {"a",   "b",      "c",    "c/d",           "e/f",
					    "own", "own2/x", ".env", "node_modules/q"};
	const char *path = paths[roll(s, sizeof(paths) / sizeof(paths[0]))];
	struct clash clash = {.path = path};
	struct owed *o;
	char text[64];

	forgive(s, path);
	if (roll(s, 4) == 0) {
		memory_remove(s->w.provider, s->w.id, path);
		return;
	}
	memory_each(s->w.provider, s->w.id, look_for_clash, &clash);
	if (clash.found || s->n_owed == OWED_MAX)
		return;
	(void)snprintf(text, sizeof(text), "user %llu wrote %u", (unsigned long long)s->w.seed,
		       s->n_written++);
	memory_write(s->w.provider, s->w.id, path, roll(s, 5) ? MODE_FILE : MODE_EXEC, text);
	o = &s->owed[s->n_owed++];
	(void)snprintf(o->path, sizeof(o->path), "%s", path);
	sha1_blob(text, strlen(text), &o->content);
}

/* ---- the weather ---- */

static void spoil_call(struct storm *s, struct memory_fate *ret)
{
	static const int results[] = {PROVIDER_OFFLINE, PROVIDER_BUSY,   PROVIDER_THROTTLED,
				      PROVIDER_GONE,    PROVIDER_ASLEEP, -5};
	static const enum memory_verdict verdicts[] = {MEMORY_FAIL, MEMORY_FAIL_DONE,
						       MEMORY_DELAY, MEMORY_DROP};

	ret->verdict = verdicts[roll(s, 4)];
	ret->result = results[roll(s, 6)];
	ret->delay_ms = (int64_t)roll(s, 20000);
}

static void spoil_reply(struct storm *s, struct memory_fate *ret)
{
	static const enum memory_verdict verdicts[] = {
		MEMORY_DELAY, MEMORY_DROP, MEMORY_DUPLICATE, MEMORY_TRUNCATE, MEMORY_CLOSE};

	ret->verdict = verdicts[roll(s, 5)];
	ret->delay_ms = (int64_t)roll(s, 20000);
}

static void weather(enum memory_event event, unsigned what, struct memory_fate *ret, void *arg)
{
	struct storm *s = arg;

	if (!s->wetness || s->w.twin.dead)
		return;
	if (event == MEMORY_FRAME && roll(s, 40) == 0)
		user_acts(s);
	if (roll(s, 1000) >= s->wetness)
		return;
	s->n_faults++;
	if (roll(s, 6) == 0) {
		s->w.twin.dead = true;
		return;
	}
	switch (event) {
	case MEMORY_CALL:
		spoil_call(s, ret);
		return;
	case MEMORY_REPLY:
		spoil_reply(s, ret);
		return;
	case MEMORY_FRAME:
		ret->verdict = MEMORY_CLOSE;
		return;
	case MEMORY_RENAME:
		ret->verdict = roll(s, 3) ? MEMORY_CLOSE : MEMORY_LIE;
		return;
	}
}

static bool die(struct twin *t, void *arg)
{
	struct storm *s = arg;

	return s->wetness && roll(s, 1000) < s->wetness / 2;
}

/* ---- a story ---- */

static int by_path(const void *a, const void *b)
{
	const struct plan_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void make_fragments(struct storm *s)
{
	static const char *const stories[FRAGMENTS] = {
		"a=1 b=1 c/d=1 c/e=1",
		"a=2 b=1 c/d=2 g=1*",
		"a=2 c=file e/f=1",
		"a=1* b=2 c/d=1 c/e=2 l=a@",
		"b=3",
		"a=1 b=1 c/d=1 c/e=1 e/f=2 g=2 h=1 i=1 j=1",
	};

	for (size_t i = 0; i < FRAGMENTS; i++)
		twin_fragment(&s->w.twin, stories[i]);
	s->w.twin.head = 1 + roll(s, FRAGMENTS);
}

/* Who works on the project changes, makes or removes one file. */
static void edit(struct storm *s)
{
	static const char *const paths[] = {"a", "b", "c/d", "e/f", "g", "mine"};
	const char *path = paths[roll(s, sizeof(paths) / sizeof(paths[0]))];
	struct twin *t = &s->w.twin;
	const struct flat *was = &t->trees[t->live].files;
	struct plan_entry e = {.mode = MODE_FILE};
	struct flat now = {0};
	char text[64];

	if (twin_clashes(was, path))
		return;
	(void)snprintf(text, sizeof(text), "edit %u of %llu", s->n_written++,
		       (unsigned long long)s->w.seed);
	for (size_t i = 0; i < was->n; i++)
		if (strcmp(was->entries[i].path, path) != 0)
			flat_add(&now, was->entries[i].path, strlen(was->entries[i].path),
				 &was->entries[i]);
	e.oid = twin_blob(t, text);
	e.size = strlen(text);
	if (roll(s, 4))
		flat_add(&now, path, strlen(path), &e);
	if (now.n)
		qsort(now.entries, now.n, sizeof(*now.entries), by_path);
	t->live = twin_fragment_of(t, &now);
	mirror_mark_due(s->w.mirror, false);
}

static void move_head(struct storm *s)
{
	s->w.twin.head = 1 + roll(s, FRAGMENTS);
	if (s->w.twin.live)
		s->w.twin.live = s->w.twin.head;
}

static void scene(struct storm *s)
{
	s->n_moves++;
	if (s->w.twin.live && roll(s, 3) == 0) {
		edit(s);
		return;
	}
	switch (roll(s, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		move_head(s);
		mirror_mark_due(s->w.mirror, roll(s, 2) == 0);
		return;
	case 4:
	case 5:
	case 6:
		user_acts(s);
		return;
	case 7:
		mirror_mark_due(s->w.mirror, true);
		return;
	case 8:
		memory_sleep(s->w.provider, s->w.id);
		return;
	case 9:
		memory_evict(s->w.provider);
		return;
	case 10:
		if (roll(s, 3))
			return;
		forgive(s, NULL);
		memory_recreate(s->w.provider, s->w.id);
		return;
	default:
		s->w.now += (int64_t)roll(s, 2 * MIRROR_SETTLED_MS);
	}
}

static void run_on(struct storm *s, int64_t ms)
{
	(void)world_run(&s->w, ms);
	if (!s->w.twin.dead)
		return;
	s->n_deaths++;
	world_restart(&s->w);
}

static void check_nothing_lost(struct storm *s)
{
	for (size_t i = 0; i < s->n_owed; i++) {
		struct clash at = {.path = s->owed[i].path};
		struct buf b;
		struct oid is = {0};
		uint32_t mode;

		if (twin_has_blob(&s->w.twin, &s->owed[i].content))
			continue;
		buf_init(&b, 4096);
		if (memory_read(s->w.provider, s->w.id, at.path, &b, &mode))
			sha1_blob(b.data, b.len, &is);
		buf_deinit(&b);
		if (!oid_eq(&is, &s->owed[i].content))
			fail_msg("lost what was written to '%s'", at.path);
	}
}

static void check_calm(struct storm *s)
{
	const struct twin *t = &s->w.twin;
	int64_t end = s->w.now + CALM_MS;
	struct oid tree;

	s->wetness = 0;
	mirror_mark_due(s->w.mirror, true);
	while (s->w.now < end &&
	       (!world_run(&s->w, end - s->w.now) || s->w.mirror->state != MIRROR_SYNCED)) {
		/* A lie of the weather ("gone") is looked at again after a minute, with the order still standing. */
		assert_false(t->dead);
		mirror_mark_due(s->w.mirror, true);
		s->w.now += 1000;
	}
	if (s->w.mirror->state != MIRROR_SYNCED)
		fail_msg("ends in %s: %s", mirror_state_name(s->w.mirror->state),
			 s->w.mirror->why);
	assert_true(memory_tree(s->w.provider, s->w.id, &tree));
	assert_true(oid_eq(&tree, &t->trees[t->live ? t->live : t->head].id));
	assert_true(oid_eq(&t->rec.base, &tree));
	assert_false(t->has_op);
	check_nothing_lost(s);
}

static void begin(struct storm *s, uint64_t seed)
{
	*s = (struct storm){.random = seed * 7919 + 1};
	world_init(&s->w, seed);
	memory_set_fate(s->w.provider, weather, s);
	s->w.twin.die = die;
	s->w.twin.die_arg = s;
	make_fragments(s);
}

static void live_through(struct storm *s, uint64_t seed)
{
	begin(s, seed);
	if (seed % 2)
		s->w.twin.live = s->w.twin.head;
	s->wetness = 5 + (unsigned)roll(s, 80);
	for (unsigned i = 0; i < SCENES; i++) {
		scene(s);
		run_on(s, (int64_t)roll(s, 4) * (int64_t)roll(s, 30000));
	}
	check_calm(s);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static int first_seed(void **state)
{
	static uint64_t seed;

	seed = setting("STORM_SEED", 1);
	*state = &seed;
	return 0;
}

static int say_seed(void **state)
{
	print_message("# stopped before STORM_SEED=%llu\n", *(unsigned long long *)*state);
	return 0;
}

static void comes_through_any_weather_the_same_way_twice(void **state)
{
	uint64_t *seed = *state, n = setting("STORM_SEEDS", 1500), faults = 0, deaths = 0;
	struct storm *one = alloc_zero(sizeof(*one)), *two = alloc_zero(sizeof(*two));

	for (; n--; ++*seed) {
		live_through(one, *seed);
		live_through(two, *seed);
		assert_int_equal(one->w.twin.log.len, two->w.twin.log.len);
		assert_memory_equal(one->w.twin.log.data, two->w.twin.log.data,
				    one->w.twin.log.len);
		assert_int_equal(one->w.now, two->w.now);
		faults += one->n_faults;
		deaths += one->n_deaths;
		world_deinit(&one->w);
		world_deinit(&two->w);
	}
	print_message("# %llu faults, %llu deaths\n", (unsigned long long)faults,
		      (unsigned long long)deaths);
	free(one);
	free(two);
}

/* ---- every death ---- */

struct fatal {
	struct storm s;
	bool at_events;     /* of the provider; else at durable writes */
	unsigned countdown; /* 0: lives */
};

static bool count_write(struct twin *t, void *arg)
{
	struct fatal *f = arg;

	return !f->at_events && f->countdown && --f->countdown == 0;
}

static void count_event(enum memory_event event, unsigned what, struct memory_fate *ret,
			void *arg)
{
	struct fatal *f = arg;

	if (f->at_events && f->countdown && --f->countdown == 0)
		f->s.w.twin.dead = true;
}

/* Fill, switch, a user's change, an order over it, a replacement, a switch. */
static void tell(struct fatal *f, unsigned chapter)
{
	struct storm *s = &f->s;

	s->w.twin.head = 1 + chapter % FRAGMENTS;
	if (chapter == 2 || chapter == 3) {
		forgive(s, "own");
		memory_write(s->w.provider, s->w.id, "own", MODE_FILE, "precious");
		sha1_blob("precious", 8, &s->owed[0].content);
		(void)snprintf(s->owed[0].path, sizeof(s->owed[0].path), "own");
		s->n_owed = 1;
	}
	if (chapter == 4 && !twin_has_blob(&s->w.twin, &s->owed[0].content))
		forgive(s, NULL);
	if (chapter == 4)
		memory_recreate(s->w.provider, s->w.id);
	mirror_mark_due(s->w.mirror, true);
}

/* True when the process died on the way. */
static bool tell_all(struct fatal *f, bool at_events, unsigned n)
{
	struct storm *s = &f->s;
	bool died = false;

	*f = (struct fatal){.at_events = at_events, .countdown = n};
	begin(s, n);
	memory_set_fate(s->w.provider, count_event, f);
	s->w.twin.die = count_write;
	s->w.twin.die_arg = f;
	for (unsigned chapter = 0; chapter < 6; chapter++) {
		tell(f, chapter);
		if (!world_run(&s->w, CALM_MS)) {
			assert_true(s->w.twin.dead);
			died = true;
			world_restart(&s->w);
			mirror_mark_due(s->w.mirror, true);
			assert_true(world_run(&s->w, CALM_MS));
		}
		n = f->countdown;
		f->countdown = 0;
		check_calm(s);
		f->countdown = n;
	}
	world_deinit(&s->w);
	return died;
}

static void die_everywhere(bool at_events)
{
	struct fatal *f = alloc_zero(sizeof(*f));
	unsigned n = 1;

	while (tell_all(f, at_events, n))
		n++;
	print_message("# died %u times\n", n - 1);
	assert_true(n > 20);
	free(f);
}

static void survives_a_death_at_every_durable_write(void **state)
{
	die_everywhere(false);
}

static void survives_a_death_at_every_event_of_the_provider(void **state)
{
	die_everywhere(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_a_death_at_every_durable_write),
		cmocka_unit_test(survives_a_death_at_every_event_of_the_provider),
		cmocka_unit_test_setup_teardown(comes_through_any_weather_the_same_way_twice,
						first_seed, say_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
