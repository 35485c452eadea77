/* tests/unit/test_metered.c - calls are counted by verb, end, time and bytes. */
#include "provider/metered.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "provider/provider.h"

static int done_with;

static void note(struct provider_call *c, int result)
{
	done_with = result;
	*(bool *)c->arg = true;
}

static int settle(struct provider *p, bool *done, int r)
{
	while (!r && !*done)
		assert_true(provider_poll(p, NULL, 0, -1) >= 0);
	return r ? r : done_with;
}

static void counts_calls_and_how_they_ended(void **state)
{
	static struct provider_stats stats;
	struct provider *p = provider_metered_new(provider_memory_new(clock_system()), &stats,
						  clock_system());
	const struct provider_spec spec = {.label = "x"};
	const struct provider_file file = {.path = "/project/a", .data = "12345", .len = 5};
	struct provider_sandbox box;
	uint64_t timed = 0;

	for (int i = 0; i < 4; i++) {
		bool done = false;
		struct provider_call c = {.done = note, .arg = &done};
		int r = i == 0   ? provider_create(p, &spec, &box, &c)
			: i == 1 ? provider_put(p, box.id, &file, &c)
				 : provider_get(p, i == 2 ? box.id : "no-such-box", &box, &c);

		assert_int_equal(settle(p, &done, r), i == 3 ? PROVIDER_GONE : 0);
	}
	assert_int_equal(stats.verbs[PROVIDER_CREATE].calls, 1);
	assert_int_equal(stats.verbs[PROVIDER_PUT].bytes_in, 5);
	assert_int_equal(stats.verbs[PROVIDER_GET].calls, 2);
	assert_int_equal(stats.verbs[PROVIDER_GET].by_class[stats_class(0)], 1);
	assert_int_equal(stats.verbs[PROVIDER_GET].by_class[stats_class(PROVIDER_GONE)], 1);
	for (unsigned i = 0; i < STATS_BUCKETS; i++)
		timed += stats.verbs[PROVIDER_GET].by_latency[i];
	assert_int_equal(timed, 2);
	assert_int_equal(stats.verbs[PROVIDER_EXEC].calls, 0);
	provider_free(p);
}

static void has_a_word_for_every_end(void **state)
{
	assert_string_equal(stats_class_word(stats_class(0)), "ok");
	assert_string_equal(stats_class_word(stats_class(PROVIDER_GONE)), "gone");
	assert_string_equal(stats_class_word(stats_class(-ETIMEDOUT)), "timeout");
	assert_string_equal(stats_class_word(stats_class(-EPROTO)), "fault");
	assert_null(stats_class_word(STATS_CLASSES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_calls_and_how_they_ended),
		cmocka_unit_test(has_a_word_for_every_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
