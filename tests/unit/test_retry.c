/* tests/unit/test_retry.c - calls are made again when it helps and cannot hurt. */
#include "provider/retry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "provider/memory.h"
#include "provider/provider.h"

struct fixture {
	struct clock clock;
	int64_t now;
	struct provider *p, *inner;
	/* What memory answers to the verb `what`, so many times. */
	unsigned what, times, asked;
	struct memory_fate fate;
	struct provider_sandbox box;
	struct provider_call c;
	int result, n_done;
};

static int64_t now(void *arg)
{
	return ((struct fixture *)arg)->now;
}

static void decide(enum memory_event event, unsigned what, struct memory_fate *ret, void *arg)
{
	struct fixture *f = arg;

	if (event != MEMORY_CALL || what != f->what)
		return;
	f->asked++;
	if (f->times) {
		f->times--;
		*ret = f->fate;
	}
}

static void fails(struct fixture *f, char what, unsigned times, int result)
{
	f->what = (unsigned)what;
	f->times = times;
	f->asked = 0;
	f->fate = (struct memory_fate){.verdict = MEMORY_FAIL, .result = result};
}

static void note(struct provider_call *c, int result)
{
	struct fixture *f = c->arg;

	f->result = result;
	f->n_done++;
}

static struct provider_call *call(struct fixture *f, int64_t deadline)
{
	f->n_done = 0;
	f->c = (struct provider_call){.done = note, .arg = f, .deadline_ms = deadline};
	return &f->c;
}

/* Lets time go by until the call has ended. */
static int settle(struct fixture *f, int r)
{
	if (r)
		return r;
	for (int i = 0; i < 100000 && !f->n_done; i++) {
		assert_true(provider_poll(f->p, NULL, 0, 0) >= 0);
		f->now += f->n_done ? 0 : 10;
	}
	assert_int_equal(f->n_done, 1);
	return f->result;
}

static int get(struct fixture *f)
{
	return settle(f, provider_get(f->p, f->box.id, &f->box, call(f, 60000)));
}

static int create(struct fixture *f)
{
	static const struct provider_spec spec = {.label = "shop"};
	struct provider_sandbox box;

	return settle(f, provider_create(f->p, &spec, &box, call(f, 60000)));
}

static int setup(void **state)
{
	static const struct provider_spec spec = {.label = "shop"};
	struct fixture *f = alloc_zero(sizeof(*f));
	struct retry_config config = {.seed = 7, .breaker_failures = 4, .budget = 6};

	f->clock = (struct clock){.now = now, .wall = now, .arg = f};
	f->now = 1000;
	config.clock = &f->clock;
	f->inner = provider_memory_new(&f->clock);
	memory_set_fate(f->inner, decide, f);
	f->p = provider_retry_new(f->inner, &config);
	assert_int_equal(settle(f, provider_create(f->p, &spec, &f->box, call(f, 0))), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	provider_free(f->p);
	free(f);
	return 0;
}

static void tries_again_until_it_goes_well(void **state)
{
	struct fixture *f = *state;

	fails(f, 'g', 3, PROVIDER_OFFLINE);
	assert_int_equal(get(f), 0);
	assert_int_equal(f->asked, 4);
	assert_string_equal(f->box.label, "shop");
}

static void gives_up_after_so_many_tries(void **state)
{
	struct fixture *f = *state;

	fails(f, 'g', 100, PROVIDER_BUSY);
	assert_int_equal(get(f), PROVIDER_BUSY);
	assert_int_equal(f->asked, 5);
}

static void does_not_try_what_will_not_change(void **state)
{
	static const int results[] = {PROVIDER_GONE, PROVIDER_DENIED, PROVIDER_REFUSED,
				      PROVIDER_ASLEEP, -ETIMEDOUT};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		fails(f, 'g', 100, results[i]);
		assert_int_equal(get(f), results[i]);
		assert_int_equal(f->asked, 1);
	}
}

static void never_creates_twice(void **state)
{
	struct fixture *f = *state;

	fails(f, 'c', 100, PROVIDER_OFFLINE);
	assert_int_equal(create(f), PROVIDER_OFFLINE);
	assert_int_equal(f->asked, 1);
	/* Busy says that nothing was made. */
	fails(f, 'c', 1, PROVIDER_BUSY);
	assert_int_equal(create(f), 0);
	assert_int_equal(f->asked, 2);
}

static void waits_longer_from_try_to_try_and_not_always_the_same(void **state)
{
	struct fixture *f = *state;
	int64_t took[8], start;

	for (int i = 0; i < 8; i++) {
		fails(f, 'g', 1, PROVIDER_BUSY);
		start = f->now;
		assert_int_equal(get(f), 0);
		took[i] = f->now - start;
		assert_true(took[i] <= 200 + 30);
		for (int k = 0; k < 10; k++)
			assert_int_equal(get(f), 0); /* pays for it */
	}
	for (int i = 1; i < 8; i++)
		if (took[i] != took[0])
			return;
	fail_msg("eight delays were all the same");
}

static void keeps_within_the_deadline_of_the_caller(void **state)
{
	struct fixture *f = *state;
	int64_t start = f->now;

	fails(f, 'g', 100, PROVIDER_BUSY);
	assert_int_equal(settle(f, provider_get(f->p, f->box.id, &f->box, call(f, 300))),
			 PROVIDER_BUSY);
	assert_true(f->now - start <= 330);
}

static void has_a_budget_that_success_fills(void **state)
{
	struct fixture *f = *state;
	unsigned asked = 0;

	for (int i = 0; i < 4; i++) {
		fails(f, 'g', 100, PROVIDER_BUSY);
		assert_int_equal(get(f), PROVIDER_BUSY);
		asked += f->asked;
	}
	assert_int_equal(asked, 4 + 6);
	fails(f, 'g', 0, 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(get(f), 0);
	fails(f, 'g', 1, PROVIDER_BUSY);
	assert_int_equal(get(f), 0);
}

static void answers_at_once_while_the_provider_is_away(void **state)
{
	struct fixture *f = *state;

	fails(f, 'g', 4, PROVIDER_OFFLINE);
	assert_int_equal(get(f), PROVIDER_OFFLINE);
	assert_int_equal(f->asked, 4);
	assert_int_equal(provider_get(f->p, f->box.id, &f->box, call(f, 0)), PROVIDER_OFFLINE);
	assert_true(f->c.untouched);
	assert_true(f->c.retry_ms > 0);
	assert_non_null(strstr(f->c.why, "4 times in a row"));
	assert_int_equal(f->asked, 4);
	/* Then one is let through, and all is well. */
	f->now += 10001;
	assert_int_equal(get(f), 0);
	assert_int_equal(get(f), 0);
}

static void cancels_while_it_waits(void **state)
{
	struct fixture *f = *state;

	fails(f, 'g', 1, PROVIDER_BUSY);
	assert_int_equal(provider_get(f->p, f->box.id, &f->box, call(f, 0)), 0);
	provider_poll(f->p, NULL, 0, 0);
	assert_int_equal(f->n_done, 0);
	provider_cancel(f->p, &f->c);
	assert_int_equal(settle(f, 0), -ECANCELED);
}

static ssize_t read_once(struct provider_call *c, void *data, size_t cap)
{
	struct fixture *f = c->arg;

	if (f->times == 77)
		return 0;
	f->times = 77;
	memcpy(data, "bytes", 5);
	return 5;
}

static void leads_callbacks_to_the_call_of_the_caller(void **state)
{
	struct fixture *f = *state;
	struct provider_file file = {.path = "/project/x", .on_read = read_once, .size = -1};
	CLEANUP(buf_deinit) struct buf b = {0};
	struct provider_sink sink = {.path = "/project/x", .into = &b};

	buf_init(&b, 100);
	assert_int_equal(settle(f, provider_put(f->p, f->box.id, &file, call(f, 0))), 0);
	f->times = 0;
	assert_int_equal(settle(f, provider_fetch(f->p, f->box.id, &sink, call(f, 0))), 0);
	assert_string_equal(b.data, "bytes");
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(tries_again_until_it_goes_well),
		CASE(gives_up_after_so_many_tries),
		CASE(does_not_try_what_will_not_change),
		CASE(never_creates_twice),
		CASE(waits_longer_from_try_to_try_and_not_always_the_same),
		CASE(keeps_within_the_deadline_of_the_caller),
		CASE(has_a_budget_that_success_fills),
		CASE(answers_at_once_while_the_provider_is_away),
		CASE(cancels_while_it_waits),
		CASE(leads_callbacks_to_the_call_of_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
