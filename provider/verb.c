/* provider/verb.c - verbs as values: called, and judged.
 */
#include "provider/wrapper.h"

bool provider_verb_repeats(enum provider_verb verb)
{
	return verb != PROVIDER_CREATE && verb != PROVIDER_EXEC && verb != PROVIDER_KILL;
}

static int request_on_sandbox(struct provider *p, const struct provider_request *q,
			      struct provider_call *c)
{
	switch ((int)q->verb) {
	case PROVIDER_START:
		return provider_start(p, q->id, c);
	case PROVIDER_STOP:
		return provider_stop(p, q->id, c);
	case PROVIDER_PAUSE:
		return provider_pause(p, q->id, c);
	case PROVIDER_RESUME:
		return provider_resume(p, q->id, c);
	case PROVIDER_DELETE:
		return provider_delete(p, q->id, c);
	default:
		return provider_keep_alive(p, q->id, q->seconds, c);
	}
}

int provider_request(struct provider *p, const struct provider_request *q,
		     struct provider_call *c)
{
	switch (q->verb) {
	case PROVIDER_CREATE:
		return provider_create(p, q->spec, q->sandbox, c);
	case PROVIDER_GET:
		return provider_get(p, q->id, q->sandbox, c);
	case PROVIDER_LIST:
		return provider_list(p, q->page, c);
	case PROVIDER_START:
	case PROVIDER_STOP:
	case PROVIDER_PAUSE:
	case PROVIDER_RESUME:
	case PROVIDER_DELETE:
	case PROVIDER_KEEP_ALIVE:
		return request_on_sandbox(p, q, c);
	case PROVIDER_EXEC:
		return provider_exec(p, q->id, q->exec, c);
	case PROVIDER_ATTACH:
		return provider_attach(p, q->id, q->ref, q->exec, c);
	case PROVIDER_PROCESSES:
		return provider_processes(p, q->id, q->fn, q->arg, c);
	case PROVIDER_KILL:
		return provider_kill(p, q->id, q->ref, q->signal, c);
	case PROVIDER_PUT:
		return provider_put(p, q->id, q->file, c);
	case PROVIDER_FETCH:
		return provider_fetch(p, q->id, q->sink, c);
	case PROVIDER_URL:
		return provider_url(p, q->id, q->preview, c);
	case PROVIDER_METRICS:
		return provider_metrics(p, q->id, q->metrics, c);
	case PROVIDER_LOGS:
		return provider_logs(p, q->id, q->sink, c);
	case PROVIDER_AGENT_OPEN:
		return provider_agent_open(p, q->id, q->channel, c);
	case PROVIDER_N_VERBS:
		break;
	}
	return PROVIDER_UNSUPPORTED;
}
