/* tests/sandbox/test_local.c - real sandboxes of bubblewrap, through the provider's interface. */
#include "provider/provider.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "provider/agent/wire.h"
#include "tests/scratch.h"

static const char *agent_path;

struct fixture {
	struct scratch s;
	struct provider *p;
	struct provider_sandbox box;
	char why[PROVIDER_WHY_MAX];
	struct buf out;
};

static int create(struct provider *p, void *arg, struct provider_call *c)
{
	struct fixture *f = arg;
	const struct provider_spec spec = {.label = "demo", .max_processes = 64};

	return provider_create(p, &spec, &f->box, c);
}

static int delete (struct provider *p, void *arg, struct provider_call *c)
{
	return provider_delete(p, ((struct fixture *)arg)->box.id, c);
}

static int setup(void **state)
{
	struct fixture *f = alloc_zero(sizeof(*f));
	struct provider_local_config config = {.dir = f->s.path, .agent = agent_path};
	int64_t t;

	scratch_init(&f->s);
	buf_init(&f->out, 64 << 20);
	assert_int_equal(provider_local_new(&config, &f->p), 0);
	t = clock_ns();
	if (provider_run(f->p, create, f, 0, f->why))
		fail_msg("create: %s", f->why);
	print_message("# create to ready: %.1f ms\n", (double)(clock_ns() - t) / 1e6);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(provider_run(f->p, delete, f, 0, f->why), 0);
	provider_free(f->p);
	buf_deinit(&f->out);
	scratch_deinit(&f->s);
	free(f);
	return 0;
}

struct running {
	struct fixture *f;
	struct provider_exec x;
};

static struct buf *output;

static void keep_output(struct provider_call *c, int fd, const void *data, size_t len)
{
	assert_int_equal(buf_add(output, data, len), 0);
}

static int exec(struct provider *p, void *arg, struct provider_call *c)
{
	struct running *r = arg;

	return provider_exec(p, r->f->box.id, &r->x, c);
}

/* Runs a line of shell; its status. Output of both kinds is in f->out. */
static int sh(struct fixture *f, const char *line)
{
	const char *const argv[] = {"sh", "-c", line, NULL};
	struct running r = {.f = f, .x = {.argv = argv, .on_output = keep_output}};

	output = &f->out;
	buf_clear(&f->out);
	assert_int_equal(provider_run(f->p, exec, &r, 20000, f->why), 0);
	return r.x.status;
}

static void passes_output_and_status_through(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sh(f, "echo out; echo err >&2; pwd; exit 7"), 7);
	assert_non_null(strstr(f->out.data, "out\n"));
	assert_non_null(strstr(f->out.data, "err\n"));
	assert_non_null(strstr(f->out.data, "/sb/app\n"));
	assert_int_equal(sh(f, "kill -9 $$"), 128 + 9);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(passes_output_and_status_through),
	};

	agent_path = argc > 1 ? argv[1] : NULL;
	if (!agent_path)
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
