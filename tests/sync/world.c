/* tests/sync/world.c - see the header. */
#include "tests/sync/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/judge.h"

enum { STEPS_AT_ONCE = 100000 };

static int64_t world_now(void *arg)
{
	return ((struct world *)arg)->now;
}

static int64_t world_wall(void *arg)
{
	return 1700000000 + ((struct world *)arg)->now / 1000;
}

struct made {
	int result, n;
};

static void note(struct provider_call *c, int result)
{
	struct made *made = c->arg;

	made->result = result;
	made->n++;
}

void world_init(struct world *w, uint64_t seed)
{
	struct made made = {0};
	struct provider_call c = {.done = note, .arg = &made};
	struct provider_spec spec = {.label = "twin"};
	struct provider_sandbox box;

	*w = (struct world){.now = 1000, .seed = seed};
	w->clock = (struct clock){.now = world_now, .wall = world_wall, .arg = w};
	twin_init(&w->twin, &w->clock);
	w->provider = provider_memory_new(&w->clock);
	assert_int_equal(provider_create(w->provider, &spec, &box, &c), 0);
	provider_poll(w->provider, NULL, 0, 0);
	assert_int_equal(made.n, 1);
	memcpy(w->id, box.id, sizeof(w->id));
	w->twin.has_rec = true;
	w->twin.rec.project_id = 1;
	memcpy(w->twin.rec.id, box.id, sizeof(box.id));
	memcpy(w->twin.rec.provider, "memory", 7);
	w->mirror = mirror_new(twin_source(&w->twin), w->provider, &w->clock, seed);
}

void world_deinit(struct world *w)
{
	mirror_free(w->mirror);
	/* What was cancelled is let go of here. */
	provider_poll(w->provider, NULL, 0, 0);
	provider_free(w->provider);
	twin_deinit(&w->twin);
}

void world_restart(struct world *w)
{
	mirror_free(w->mirror);
	twin_revive(&w->twin);
	w->mirror = mirror_new(twin_source(&w->twin), w->provider, &w->clock,
			       w->seed + ++w->n_runs);
}

static int64_t longest(const struct mirror *m)
{
	switch (m->state) {
	case MIRROR_PULL:
		return MIRROR_PULL_MS;
	case MIRROR_BACKOFF:
	case MIRROR_SYNCED:
	case MIRROR_CONFLICT:
	case MIRROR_HALTED:
	case MIRROR_GONE:
	case MIRROR_PAUSED:
	case MIRROR_ASLEEP:
		return MIRROR_RETRY_FAR_MS;
	case MIRROR_SEND:
		return MIRROR_STEP_MS + (int64_t)(m->send.plan.bytes / MIRROR_BYTES_PER_MS) + 1;
	case MIRROR_NEW:
	case MIRROR_PROBE:
	case MIRROR_BOOTSTRAP:
	case MIRROR_DUE:
	case MIRROR_PLAN:
	case MIRROR_APPLY:
	case MIRROR_VERIFY:
		break;
	}
	return MIRROR_PROBE_MS;
}

bool world_run(struct world *w, int64_t ms)
{
	int64_t end = w->now + ms;
	struct mirror *m = w->mirror;

	for (;;) {
		int64_t wait;
		int n = 0;

		for (; n < STEPS_AT_ONCE && !w->twin.dead; n++) {
			bool worked = mirror_step(m);

			if (provider_poll(w->provider, NULL, 0, 0) <= 0 && !worked)
				break;
		}
		/* Nothing may spin without waiting for anything. */
		assert_true(n < STEPS_AT_ONCE);
		if (w->twin.dead || m->finished)
			return false;
		assert_true(w->now - m->entered <= longest(m) || w->twin.held);
		if (mirror_is_settled(m))
			return true;
		if (w->now >= end)
			return false;
		wait = mirror_wait_ms(m);
		/* Small steps, since delayed replies come between our own deadlines. */
		wait = wait < 1 ? 1 : wait > 50 ? 50 : wait;
		w->now += wait < end - w->now ? wait : end - w->now;
	}
}

struct text {
	struct world *w;
	char bytes[16384];
	size_t len;
};

static void write_file(const char *path, uint32_t mode, const struct oid *oid, void *arg)
{
	struct text *t = arg;
	struct buf b;
	uint32_t is;

	buf_init(&b, 1 << 20);
	assert_true(memory_read(t->w->provider, t->w->id, path, &b, &is));
	t->len += (size_t)snprintf(t->bytes + t->len, sizeof(t->bytes) - t->len, "%s%s=%s%s",
				   t->len ? " " : "", path, b.data,
				   mode == MODE_EXEC   ? "*"
				   : mode == MODE_LINK ? "@"
						       : "");
	assert_true(t->len < sizeof(t->bytes));
	buf_deinit(&b);
}

const char *world_files(struct world *w)
{
	static struct text t;

	t.w = w;
	t.len = 0;
	t.bytes[0] = '\0';
	memory_each(w->provider, w->id, write_file, &t);
	return t.bytes;
}
