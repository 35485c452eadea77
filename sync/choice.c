/* The choice of a transfer by predicted time.
 *
 * Costs a file are those of the agent on a busy 2-core machine: 14 µs to stage and rename on tmpfs, about
 * as much again to hash and frame. A wrong constant costs a slower way, never a wrong result, so they are
 * not configuration. Ways whose sender does not exist yet are reported as infeasible with the reason, so that status
 * can show what was weighed.
 */
#include "sync/choice.h"

#include "provider/provider.h"

enum {
	GUESS_RTT_US = 20000,
	GUESS_BYTES_PER_S = 10000000,
	CPU_US_PER_CHANGE = 30,
	FRAME_BYTES = 60,    /* header, path, id of one change */
	REQUEST_BYTES = 500, /* what an exec request costs beside its content */
	PER_FILE_BATCH = 16, /* requests in flight where each file is one */
};

static uint64_t predict(const struct choice_input *in, uint64_t requests, uint64_t bytes)
{
	uint64_t rtt = in->rtt_us ? in->rtt_us : GUESS_RTT_US;
	uint64_t w = in->bytes_per_s ? in->bytes_per_s : GUESS_BYTES_PER_S;

	/* Bytes first: content may be large, but not so large as to overflow at 2⁴⁴. */
	return requests * rtt + bytes / w * 1000000 + bytes % w * 1000000 / w +
	       in->n_changes * CPU_US_PER_CHANGE;
}

static void offer(const struct choice_input *in, struct choice *c, enum choice_kind kind,
		  const char *because, uint64_t requests, uint64_t bytes)
{
	struct choice_way *way = &c->ways[kind];

	way->feasible = !because;
	way->because = because;
	way->requests = requests;
	way->bytes = bytes;
	way->us = predict(in, requests, bytes);
	if (because || (c->found && c->ways[c->kind].us <= way->us))
		return;
	c->found = true;
	c->kind = kind;
}

static const char *no_agent(const struct choice_input *in)
{
	return in->caps & PROVIDER_CAP_AGENT ? NULL : "no agent can run in the sandbox";
}

static const char *no_resident(const struct choice_input *in)
{
	if (no_agent(in))
		return no_agent(in);
	if (in->resident_refused)
		return "the agent does not have the contents any more";
	if (in->bytes_away)
		return "some contents are not in the sandbox";
	return NULL;
}

static const char *no_exec(const struct choice_input *in)
{
	return in->caps & PROVIDER_CAP_EXEC ? "no sender for sandboxes without an agent yet"
					    : "the provider cannot run commands";
}

void choice_make(const struct choice_input *in, struct choice *ret)
{
	uint64_t frames = in->n_changes * FRAME_BYTES, delta = in->bytes + frames;
	uint64_t files = (in->n_changes + PER_FILE_BATCH - 1) / PER_FILE_BATCH;
	const char *something = in->n_changes ? "the trees differ" : NULL;

	*ret = (struct choice){.kind = CHOICE_SAME};
	offer(in, ret, CHOICE_SAME, something, 0, 0);
	offer(in, ret, CHOICE_RESIDENT, no_resident(in), 1, frames);
	offer(in, ret, CHOICE_STREAM, no_agent(in), 1, in->bytes_away + frames);
	offer(in, ret, CHOICE_INLINE, no_exec(in), 1, delta * 4 / 3 + REQUEST_BYTES);
	offer(in, ret, CHOICE_UPLOAD, no_exec(in), 2, delta + REQUEST_BYTES);
	offer(in, ret, CHOICE_TAR, no_exec(in), 2, delta + REQUEST_BYTES);
	offer(in, ret, CHOICE_PER_FILE, "no sender file by file yet", files ? files : 1,
	      delta + in->n_changes * REQUEST_BYTES);
}

const char *choice_name(uint32_t kind)
{
	static const char *const names[CHOICE_KINDS] = {
		[CHOICE_SAME] = "same",         [CHOICE_RESIDENT] = "resident",
		[CHOICE_STREAM] = "stream",     [CHOICE_INLINE] = "inline",
		[CHOICE_UPLOAD] = "upload",     [CHOICE_TAR] = "tar",
		[CHOICE_PER_FILE] = "per-file",
	};

	return kind < CHOICE_KINDS ? names[kind] : "unknown";
}

uint64_t choice_ewma(uint64_t old, uint64_t sample)
{
	return old ? old - old / 8 + sample / 8 : sample;
}
