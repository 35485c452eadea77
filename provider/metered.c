/* provider/metered.c - a stop watch and a few counters round every call.
 *
 * Bytes are those of files and commands, not of requests. Time is the caller's, from the verb to `done`: what a retry
 * in between waited is part of it when this stands in front of it.
 */
#include "provider/metered.h"

#include <errno.h>

#include "base/clock.h"
#include "provider/wrapper.h"

struct metered {
	struct wrapper w;
	struct provider_stats *stats;
};

static const int classes[] = {
	0,
	PROVIDER_GONE,
	PROVIDER_ASLEEP,
	PROVIDER_BUSY,
	PROVIDER_THROTTLED,
	PROVIDER_OFFLINE,
	PROVIDER_DENIED,
	PROVIDER_UNSUPPORTED,
	PROVIDER_REFUSED,
	-ETIMEDOUT,
	-ECANCELED,
	-EIO, /* any other fault */
};

_Static_assert(sizeof(classes) / sizeof(classes[0]) == STATS_CLASSES, "one each");

unsigned stats_class(int result)
{
	for (unsigned i = 0; i < STATS_CLASSES; i++)
		if (classes[i] == result)
			return i;
	return STATS_CLASSES - 1;
}

const char *stats_class_word(unsigned which)
{
	return which < STATS_CLASSES ? provider_class(classes[which]) : NULL;
}

static void add(uint64_t *counter, uint64_t n)
{
	(void)__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static void count(struct wrapped *k, int result)
{
	struct verb_stats *v = &((struct metered *)(void *)k->w)->stats->verbs[k->q.verb];
	uint64_t usec = (uint64_t)(clock_ns() - k->number) / 1000;
	uint64_t in = k->bytes_in;
	unsigned bucket = 0;

	while (bucket < STATS_BUCKETS - 1 && usec >= 1000ULL << bucket)
		bucket++;
	if (k->q.file && !k->q.file->on_read && !result)
		in += k->q.file->len;
	if (k->q.exec && k->q.verb == PROVIDER_EXEC && k->q.exec->in)
		in += k->q.exec->in_len;
	add(&v->calls, 1);
	add(&v->usec, usec);
	add(&v->bytes_in, in);
	add(&v->bytes_out, k->bytes_out);
	add(&v->by_class[stats_class(result)], 1);
	add(&v->by_latency[bucket], 1);
}

static int begin(struct wrapped *k)
{
	int r;

	k->number = clock_ns();
	r = wrapped_forward(k);
	if (r)
		count(k, r);
	return r;
}

static void ended(struct wrapped *k, int result)
{
	count(k, result);
	wrapped_end(k, result);
}

struct provider *provider_metered_new(struct provider *next, struct provider_stats *stats,
				      const struct clock *clock)
{
	static const struct wrapper_ops ops = {.begin = begin, .ended = ended};
	struct metered *m = wrapper_new(sizeof(*m), &ops, clock, &next, 1);

	m->stats = stats;
	return &m->w.base;
}
