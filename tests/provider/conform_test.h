/* tests/provider/conform_test.h - what the tests of the suite share: a fresh provider and one sandbox each.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/provider/conform_call.h"

struct fixture {
	struct conform c;
	struct provider_sandbox box;
	struct watched w;
};

/* A test, and what a provider has to be able to for it. */
struct conform_row {
	struct CMUnitTest test;
	unsigned caps;
};

#define CONFORM(fn, caps)                                                                      \
	{                                                                                      \
		cmocka_unit_test_setup_teardown(fn, conform_setup, conform_teardown), caps     \
	}

/* Each ends with a test without a name. */
extern const struct conform_row life_rows[];
extern const struct conform_row exec_rows[];
extern const struct conform_row file_rows[];

int conform_setup(void **state);
int conform_teardown(void **state);

/* One verb on the sandbox, by its function. */
#define ON(f, verb)                                                                            \
	watched_end(&(f)->w,                                                                   \
		    provider_##verb((f)->c.p, (f)->box.id, watched_begin(&(f)->w, 60000)))

int create(struct fixture *f, struct provider_sandbox *ret);
int get(struct fixture *f, struct provider_sandbox *ret);
int delete_one(struct fixture *f, const char *id);
/* Runs a line of shell; the call's result. */
int sh(struct fixture *f, const char *line);
void assert_says(struct fixture *f, const char *line, const char *want);
char *path_in(struct fixture *f, const char *name);
int put(struct fixture *f, struct provider_file *file);
int fetch(struct fixture *f, struct provider_sink *to);
