/* tests/sync/test_eventlog.c - events are numbered without gaps, kept up to a limit, and waited for. */
#include "sync/eventlog.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **state)
{
	*state = eventlog_new();
	return 0;
}

static int teardown(void **state)
{
	eventlog_free(*state);
	return 0;
}

static void add(struct eventlog *l, enum mirror_state state)
{
	struct mirror_status s = {.state = state};

	eventlog_add(l, "shop", &s, 5);
}

static void gives_what_came_after_a_number(void **state)
{
	struct event e[4];

	add(*state, MIRROR_DUE);
	add(*state, MIRROR_SEND);
	add(*state, MIRROR_SYNCED);
	assert_int_equal(eventlog_last(*state), 3);
	assert_int_equal(eventlog_read(*state, 1, e, 4, 0), 2);
	assert_int_equal(e[0].seq, 2);
	assert_int_equal(e[1].status.state, MIRROR_SYNCED);
	assert_string_equal(e[1].project, "shop");
}

static void forgets_the_oldest_and_shows_the_gap(void **state)
{
	static struct event e[EVENTLOG_MAX];

	for (unsigned i = 0; i < EVENTLOG_MAX + 10; i++)
		add(*state, MIRROR_DUE);
	assert_int_equal(eventlog_read(*state, 0, e, EVENTLOG_MAX, 0), EVENTLOG_MAX);
	assert_int_equal(e[0].seq, 11);
	assert_int_equal(e[EVENTLOG_MAX - 1].seq, EVENTLOG_MAX + 10);
}

static void gives_no_more_than_asked_for(void **state)
{
	struct event e[2];

	add(*state, MIRROR_DUE);
	add(*state, MIRROR_SEND);
	add(*state, MIRROR_SYNCED);
	assert_int_equal(eventlog_read(*state, 0, e, 2, 0), 2);
	assert_int_equal(e[1].seq, 2);
}

static void ends_the_wait_when_nothing_comes(void **state)
{
	struct event e;

	assert_int_equal(eventlog_read(*state, 0, &e, 1, 1), 0);
}

static void *add_one(void *log)
{
	add(log, MIRROR_SYNCED);
	return NULL;
}

static void wakes_who_waits(void **state)
{
	pthread_t thread;
	struct event e;

	assert_int_equal(pthread_create(&thread, NULL, add_one, *state), 0);
	assert_int_equal(eventlog_read(*state, 0, &e, 1, 60000), 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(e.status.state, MIRROR_SYNCED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(gives_what_came_after_a_number),
		T(forgets_the_oldest_and_shows_the_gap),
		T(gives_no_more_than_asked_for),
		T(ends_the_wait_when_nothing_comes),
		T(wakes_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
