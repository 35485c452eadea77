/* provider/daytona_process.c - background commands by name, and what the sandbox as a whole uses and says.
 *
 * The vendor's own metrics came with a later daemon and in no settled shape, so the kernel's files are read by a script: control
 * groups of either version, and what the disk's root has. What is not there is 0: not known.
 */
#include "provider/daytona_private.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "provider/daytona_job.h"

enum { PRINTED_MAX = 4 << 20 };

/* A text whose printed words are looked at. 0 when there are some, otherwise the op has ended. */
static int printed_of(struct daytona_op *op, int result, struct buf *printed)
{
	int code;

	if (result) {
		daytona_end_toolbox(op, result);
		return result;
	}
	result = daytona_executed(op, &code, printed);
	if (result)
		daytona_end(op, result, "the toolbox is not understood");
	return result;
}

/* Processes. */

struct listing {
	struct daytona_op op;
	provider_process_fn fn;
	void *arg;
};

static void listed(struct daytona_op *op, int result)
{
	struct listing *l = (struct listing *)(void *)op;
	CLEANUP(buf_deinit) struct buf printed = {0};
	struct provider_process job;
	const char *at;

	buf_init(&printed, PRINTED_MAX);
	if (printed_of(op, result, &printed))
		return;
	result = 0;
	for (at = printed.data; !result && daytona_job_listed(&at, &job);)
		result = l->fn(&job, l->arg);
	daytona_end(op, result, NULL);
}

int daytona_processes(struct provider *p, const char *id, provider_process_fn fn, void *arg,
		      struct provider_call *c)
{
	CLEANUP(buf_deinit) struct buf text = {0};
	struct listing *l;

	if (!daytona_id_good(id))
		return PROVIDER_GONE;
	buf_init(&text, DAYTONA_TEXT_MAX);
	if (daytona_job_list(&text))
		return -ENOMEM;
	l = daytona_op_new(daytona_of(p), c, id, sizeof(*l));
	l->fn = fn;
	l->arg = arg;
	daytona_execute(&l->op, &text, listed);
	return 0;
}

/* Kill. */

struct killing {
	struct daytona_op op;
	char ref[DAYTONA_JOB_ID_LEN + 1];
};

static void struck(struct daytona_op *op, int result)
{
	struct killing *k = (struct killing *)(void *)op;
	CLEANUP(buf_deinit) struct buf printed = {0};

	buf_init(&printed, PRINTED_MAX);
	if (printed_of(op, result, &printed))
		return;
	if (daytona_job_confirmed(printed.data, k->ref))
		daytona_end(op, 0, NULL);
	else if (daytona_job_over(printed.data, k->ref))
		daytona_end(op, PROVIDER_REFUSED, "it has ended, or is not known");
	else
		daytona_end(op, PROVIDER_REFUSED, "the shell did not do it");
}

int daytona_kill(struct provider *p, const char *id, const char *ref, int signal,
		 struct provider_call *c)
{
	CLEANUP(buf_deinit) struct buf text = {0};
	struct killing *k;

	if (!daytona_id_good(id))
		return PROVIDER_GONE;
	if (strlen(ref) != DAYTONA_JOB_ID_LEN ||
	    strspn(ref, "0123456789abcdef") != strlen(ref) || !sigabbrev_np(signal))
		return PROVIDER_REFUSED;
	buf_init(&text, DAYTONA_TEXT_MAX);
	if (daytona_job_kill(&text, ref, signal))
		return -ENOMEM;
	k = daytona_op_new(daytona_of(p), c, id, sizeof(*k));
	memcpy(k->ref, ref, sizeof(k->ref));
	daytona_execute(&k->op, &text, struck);
	return 0;
}

/* Metrics: one line of numbers. */

static const char measure[] =
	"c=/sys/fs/cgroup\n"
	"num() { for f; do [ -r \"$f\" ] && read -r v w <\"$f\" && case $v in\n"
	" \"\" | *[!0-9]*) ;; *) echo \"$v\"; return ;; esac; done; echo 0; }\n"
	"used() { if [ -r $c/cpu.stat ]; then\n"
	"  while read -r k v; do [ $k != usage_usec ] || echo $v; done <$c/cpu.stat\n"
	" else v=$(num $c/cpuacct/cpuacct.usage $c/cpu,cpuacct/cpuacct.usage); echo $((v / "
	"1000)); fi; }\n"
	"limit() { if [ -r $c/cpu.max ]; then read -r q p <$c/cpu.max\n"
	" else q=$(num $c/cpu/cpu.cfs_quota_us) p=$(num $c/cpu/cpu.cfs_period_us); fi\n"
	" case $q in \"\" | 0 | *[!0-9]*) echo 0 ;; *) echo $((q * 100 / p)) ;; esac; }\n"
	"a=$(used) || a=\n"
	"sleep 0.2 2>/dev/null || sleep 1\n"
	"b=$(used) || b=\n"
	"d=$(df -kP / 2>/dev/null | while read -r n t u r; do echo \"$t $u\"; done | tail -n "
	"1)\n"
	/* without control groups the resident pages of all processes stand for the memory */
	"m=$(num $c/memory.current $c/memory/memory.usage_in_bytes) n=0 s=0\n"
	"for f in /proc/[0-9]*/statm; do\n"
	" read -r v w x <\"$f\" && s=$((s + w)) && n=$((n + 1))\n"
	"done 2>/dev/null\n"
	"[ \"$m\" != 0 ] || m=$((s * $(getconf PAGESIZE 2>/dev/null || echo 4096)))\n"
	"echo \"frag1 metrics $(((${b:-0} - ${a:-0}) / 2000)) $(limit) $m\" \\\n"
	" \"$(num $c/memory.max $c/memory/memory.limit_in_bytes)\" ${d:-0 0} $n\n";

struct measuring {
	struct daytona_op op;
	struct provider_metrics *ret;
};

static void measured(struct daytona_op *op, int result)
{
	struct measuring *m = (struct measuring *)(void *)op;
	CLEANUP(buf_deinit) struct buf printed = {0};
	uint64_t n[7] = {0};

	buf_init(&printed, PRINTED_MAX);
	if (printed_of(op, result, &printed))
		return;
	if (!daytona_job_numbers(printed.data, "metrics", n, 7)) {
		daytona_end(op, PROVIDER_REFUSED, "the sandbox does not tell what it uses");
		return;
	}
	*m->ret = (struct provider_metrics){
		.time = clock_wall(op->p->clock),
		.cpu_percent = (uint32_t)n[0],
		.cpu_limit = (uint32_t)n[1],
		.memory_bytes = n[2],
		.memory_limit =
			n[3] < 1ULL << 50 ? n[3] : 0, /* v1 says "none" as a huge number */
		.disk_limit = n[4] << 10,
		.disk_bytes = n[5] << 10,
		.n_processes = (uint32_t)n[6],
	};
	daytona_end(op, 0, NULL);
}

int daytona_metrics(struct provider *p, const char *id, struct provider_metrics *ret,
		    struct provider_call *c)
{
	CLEANUP(buf_deinit) struct buf text = {0};
	struct measuring *m;

	if (!daytona_id_good(id))
		return PROVIDER_GONE;
	buf_init(&text, DAYTONA_TEXT_MAX);
	if (daytona_job_script(&text, measure))
		return -ENOMEM;
	m = daytona_op_new(daytona_of(p), c, id, sizeof(*m));
	m->ret = ret;
	daytona_execute(&m->op, &text, measured);
	return 0;
}

/* Logs: what the image's entrypoint said. */

struct logs {
	struct daytona_op op;
	struct provider_sink *to;
};

static void logged(struct daytona_op *op, int result)
{
	struct logs *l = (struct logs *)(void *)op;
	CLEANUP(buf_deinit) struct buf words = {0};
	const char *text;
	size_t len;

	if (result == PROVIDER_GONE) {
		daytona_end(op, PROVIDER_UNSUPPORTED,
			    "the sandbox keeps no log of its first process");
		return;
	}
	if (result) {
		daytona_end_toolbox(op, result);
		return;
	}
	text = http_reply(&op->http, &len);
	buf_init(&words, HTTP_REPLY_MAX);
	result = daytona_logs_read(text, len, &words);
	if (!result && words.len && l->to->on_write)
		result = l->to->on_write(op->c, words.data, words.len);
	else if (!result && words.len)
		result = buf_add(l->to->into, words.data, words.len);
	daytona_end(op, result == -EAGAIN ? -E2BIG : result, "the log is not understood");
}

static void ask_logs(struct daytona_op *op)
{
	daytona_fresh(op);
	daytona_toolbox(op, "GET", "/process/session/entrypoint/logs", NULL, logged);
}

int daytona_logs(struct provider *p, const char *id, struct provider_sink *to,
		 struct provider_call *c)
{
	struct logs *l;

	if (!daytona_id_good(id))
		return PROVIDER_GONE;
	l = daytona_op_new(daytona_of(p), c, id, sizeof(*l));
	l->to = to;
	daytona_inside(&l->op, ask_logs);
	return 0;
}
