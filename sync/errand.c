/* Errands: see the header. The provider calls `done` from its poll only, so that nothing here races.
 */
#include "sync/errand.h"

#include <stdlib.h>

#include "base/alloc.h"

static void errand_free(struct errand *e)
{
	if (e->channel)
		e->channel->ops->close(e->channel);
	free(e);
}

static void finish(struct provider_call *c, int result)
{
	struct errand *e = c->arg;

	e->done = true;
	e->result = result;
	if (e->dropped)
		errand_free(e);
}

struct errand *errand_new(int64_t deadline_ms)
{
	struct errand *e = alloc_zero(sizeof(*e));

	e->call.done = finish;
	e->call.arg = e;
	e->call.deadline_ms = deadline_ms;
	return e;
}

void errand_drop(struct errand *e, struct provider *p)
{
	if (!e)
		return;
	if (e->done) {
		errand_free(e);
		return;
	}
	e->dropped = true;
	(void)provider_cancel(p, &e->call);
}
