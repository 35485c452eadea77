/* tests/provider/conform_life.c - made, listed, put to sleep, woken, deleted. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "tests/provider/conform_test.h"

static void shows_what_it_made(void **state)
{
	struct fixture *f = *state;
	struct provider_sandbox s;

	assert_int_equal(get(f, &s), 0);
	assert_string_equal(s.id, f->box.id);
	assert_string_equal(s.label, "demo");
	assert_int_equal(s.state, PROVIDER_RUNNING);
	assert_true(s.created > 1500000000 || s.created == f->box.created);
}

static void says_gone_of_what_was_deleted(void **state)
{
	struct fixture *f = *state;
	struct provider_sandbox s, other;
	char id[PROVIDER_ID_MAX];

	assert_int_equal(create(f, &other), 0);
	memcpy(id, f->box.id, sizeof(id));
	assert_int_equal(delete_one(f, id), 0);
	assert_int_equal(get(f, &s), PROVIDER_GONE);
	assert_int_equal(ON(f, start), PROVIDER_GONE);
	assert_int_equal(ON(f, stop), PROVIDER_GONE);
	assert_int_equal(delete_one(f, id), 0);
	if (provider_can(f->c.p, PROVIDER_CAP_EXEC))
		assert_int_equal(sh(f, "true"), PROVIDER_GONE);
	f->box = other;
	assert_int_equal(get(f, &s), 0);
}

struct seen {
	struct fixture *f;
	char ids[16][PROVIDER_ID_MAX];
	size_t n;
};

static int see(const struct provider_sandbox *s, void *arg)
{
	struct seen *seen = arg;

	assert_true(seen->n < 16);
	memcpy(seen->ids[seen->n++], s->id, sizeof(s->id));
	return 0;
}

static bool has(const struct seen *seen, const char *id)
{
	for (size_t i = 0; i < seen->n; i++)
		if (!strcmp(seen->ids[i], id))
			return true;
	return false;
}

/* All pages. */
static void list(struct fixture *f, struct seen *seen, uint32_t limit,
		 const char *const *labels)
{
	struct provider_page page = {.fn = see, .arg = seen, .limit = limit, .labels = labels};
	char after[PROVIDER_TOKEN_MAX];
	size_t before;

	seen->n = 0;
	do {
		before = seen->n;
		assert_int_equal(watched_end(&f->w, provider_list(f->c.p, &page,
								  watched_begin(&f->w, 60000))),
				 0);
		assert_true(!limit || seen->n - before <= limit);
		memcpy(after, page.next, sizeof(after));
		page.after = after;
	} while (after[0]);
}

static void lists_each_once_on_pages_of_any_size(void **state)
{
	struct fixture *f = *state;
	struct provider_sandbox more[4];
	struct seen seen;

	for (int i = 0; i < 4; i++)
		assert_int_equal(create(f, &more[i]), 0);
	for (uint32_t limit = 0; limit < 7; limit++) {
		list(f, &seen, limit, NULL);
		assert_int_equal(seen.n, 5);
		assert_true(has(&seen, f->box.id));
		for (int i = 0; i < 4; i++)
			assert_true(has(&seen, more[i].id));
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(delete_one(f, more[i].id), 0);
	list(f, &seen, 0, NULL);
	assert_int_equal(seen.n, 1);
}

static void keeps_labels_and_lists_by_them(void **state)
{
	static const char *const red[] = {"colour=red", "size=a b", NULL};
	static const char *const by_red[] = {"colour=red", NULL};
	static const char *const by_blue[] = {"colour=blue", NULL};
	struct fixture *f = *state;
	struct provider_sandbox other, s;
	struct seen seen;

	f->c.spec.labels = red;
	assert_int_equal(create(f, &other), 0);
	list(f, &seen, 0, by_red);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.ids[0], other.id);
	list(f, &seen, 0, by_blue);
	assert_int_equal(seen.n, 0);
	assert_int_equal(delete_one(f, f->box.id), 0);
	f->box = other;
	assert_int_equal(get(f, &s), 0);
	assert_string_equal(provider_label(&s, "size"), "a b");
	assert_null(provider_label(&s, "siz"));
}

static void keeps_files_while_it_is_stopped(void **state)
{
	struct fixture *f = *state;
	CLEANUP(free_p) char *path = path_in(f, "kept");
	CLEANUP(buf_deinit) struct buf got = {0};
	struct provider_file file = {.path = path, .data = "kept", .len = 4, .mode = 0644};
	struct provider_sink to = {.path = path, .into = &got};
	struct provider_sandbox s;

	buf_init(&got, 100);
	assert_int_equal(put(f, &file), 0);
	assert_int_equal(ON(f, stop), 0);
	assert_int_equal(get(f, &s), 0);
	assert_int_equal(s.state, PROVIDER_STOPPED);
	assert_int_equal(fetch(f, &to), PROVIDER_ASLEEP);
	assert_int_equal(ON(f, stop), 0);
	assert_int_equal(ON(f, start), 0);
	assert_int_equal(ON(f, start), 0);
	assert_int_equal(fetch(f, &to), 0);
	assert_string_equal(got.data, "kept");
}

static void goes_on_where_it_was_paused(void **state)
{
	struct fixture *f = *state;
	struct provider_sandbox s;

	assert_int_equal(ON(f, pause), 0);
	assert_int_equal(get(f, &s), 0);
	assert_int_equal(s.state, PROVIDER_PAUSED);
	if (provider_can(f->c.p, PROVIDER_CAP_EXEC))
		assert_int_equal(sh(f, "true"), PROVIDER_ASLEEP);
	assert_int_equal(ON(f, resume), 0);
	assert_int_equal(get(f, &s), 0);
	assert_int_equal(s.state, PROVIDER_RUNNING);
	if (provider_can(f->c.p, PROVIDER_CAP_EXEC))
		assert_says(f, "echo awake", "awake\n");
}

static void lives_as_long_as_it_is_told(void **state)
{
	struct fixture *f = *state;
	struct provider_sandbox s;

	assert_int_equal(watched_end(&f->w, provider_keep_alive(f->c.p, f->box.id, 7200,
								watched_begin(&f->w, 60000))),
			 0);
	assert_int_equal(get(f, &s), 0);
	assert_true(!s.expires || s.expires >= s.created + 7100);
}

static void says_what_it_uses(void **state)
{
	struct fixture *f = *state;
	struct provider_metrics m = {0};

	assert_int_equal(watched_end(&f->w, provider_metrics(f->c.p, f->box.id, &m,
							     watched_begin(&f->w, 60000))),
			 0);
	assert_true(m.time > 1500000000);
	assert_true(m.memory_bytes > 0);
}

const struct conform_row life_rows[] = {
	CONFORM(shows_what_it_made, 0),
	CONFORM(says_gone_of_what_was_deleted, 0),
	CONFORM(lists_each_once_on_pages_of_any_size, 0),
	CONFORM(keeps_labels_and_lists_by_them, PROVIDER_CAP_LABELS),
	CONFORM(keeps_files_while_it_is_stopped, PROVIDER_CAP_STOP),
	CONFORM(goes_on_where_it_was_paused, PROVIDER_CAP_PAUSE),
	CONFORM(lives_as_long_as_it_is_told, PROVIDER_CAP_LIFETIME),
	CONFORM(says_what_it_uses, PROVIDER_CAP_METRICS),
	{{0}, 0},
};
