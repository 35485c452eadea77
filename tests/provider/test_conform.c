/* tests/provider/test_conform.c - what provider.h promises, of whichever provider is named.
 *
 *	test_conform SUBJECT AGENT FRAG
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
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
#include "base/log.h"
#include "tests/provider/conform_test.h"

enum { TESTS_MAX = 100 };

static const struct subject *subject;
static const char *agent_path, *frag_path;

int create(struct fixture *f, struct provider_sandbox *ret)
{
	return watched_end(
		&f->w, provider_create(f->c.p, &f->c.spec, ret, watched_begin(&f->w, 60000)));
}

int conform_setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));
	const char *why;

	scratch_init(&f->c.s);
	f->c.agent = agent_path;
	f->c.frag = frag_path;
	f->c.spec.label = "demo";
	why = subject->make(&f->c);
	if (why)
		fail_msg("%s", why);
	watched_init(&f->w, &f->c);
	if (create(f, &f->box))
		fail_msg("create: %d %s", f->w.result, f->w.call.why);
	*state = f;
	return 0;
}

int delete_one(struct fixture *f, const char *id)
{
	return watched_end(&f->w, provider_delete(f->c.p, id, watched_begin(&f->w, 60000)));
}

int conform_teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(delete_one(f, f->box.id), 0);
	provider_free(f->c.p);
	if (subject->end) {
		subject->end(&f->c);
		/* Its server runs in here: what that holds is not the provider's. */
		f->c.s.n_open = INT_MAX;
	}
	watched_deinit(&f->w);
	scratch_deinit(&f->c.s);
	free(f);
	return 0;
}

int get(struct fixture *f, struct provider_sandbox *ret)
{
	return watched_end(&f->w,
			   provider_get(f->c.p, f->box.id, ret, watched_begin(&f->w, 60000)));
}

int sh(struct fixture *f, const char *line)
{
	f->w.exec.argv = NULL;
	f->w.exec.shell = line;
	return watched_exec(&f->w, f->box.id, 60000);
}

void assert_says(struct fixture *f, const char *line, const char *want)
{
	int r = sh(f, line);

	if (r)
		fail_msg("%s: %d %s", line, r, f->w.call.why);
	assert_string_equal(f->w.out.data, want);
}

int put(struct fixture *f, struct provider_file *file)
{
	return watched_end(&f->w,
			   provider_put(f->c.p, f->box.id, file, watched_begin(&f->w, 60000)));
}

int fetch(struct fixture *f, struct provider_sink *to)
{
	return watched_end(&f->w,
			   provider_fetch(f->c.p, f->box.id, to, watched_begin(&f->w, 60000)));
}

char *path_in(struct fixture *f, const char *name)
{
	return alloc_fmt("%s/%s", f->c.dir, name);
}

/* What the subject is able to. */
static unsigned caps_of_subject(void)
{
	struct conform c = {.agent = agent_path, .frag = frag_path};
	unsigned caps = 0;

	scratch_init(&c.s);
	if (!subject->make(&c)) {
		caps = provider_caps(c.p).flags;
		provider_free(c.p);
		if (subject->end) {
			subject->end(&c);
			c.s.n_open = INT_MAX;
		}
	}
	scratch_deinit(&c.s);
	return caps;
}

int main(int argc, char **argv)
{
	const struct conform_row *const all[] = {life_rows, exec_rows, file_rows};
	struct CMUnitTest tests[TESTS_MAX];
	size_t n = 0;
	unsigned caps;

	if (argc != 4)
		return 2;
	for (subject = subjects; subject->name && strcmp(subject->name, argv[1]) != 0;
	     subject++)
		;
	if (!subject->name)
		return 2;
	agent_path = argv[2];
	frag_path = argv[3];
	(void)signal(SIGPIPE, SIG_IGN);
	log_open(-1, LOG_LEVEL_ERR, false);
	caps = caps_of_subject();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (const struct conform_row *row = all[i]; row->test.name; row++) {
			assert(n < TESTS_MAX);
			if ((row->caps & caps) == row->caps)
				tests[n++] = row->test;
			else
				printf("# %s cannot: %s\n", subject->name, row->test.name);
		}
	return _cmocka_run_group_tests(subject->name, tests, n, NULL, NULL);
}
