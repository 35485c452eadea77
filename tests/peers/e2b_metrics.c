/* tests/peers/e2b_metrics.c - what a sandbox uses, measured inside it.
 *
 * Memory is what its processes have resident, disk what its home's file system has taken. A local sandbox keeps no
 * history, so the answer to a span of time is the present.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/peers/answer.h"
#include "tests/peers/e2b.h"
#include "tests/peers/envd.h"
#include "tests/peers/peer_private.h"
#include "tests/peers/script.h"

struct metrics {
	unsigned long long cpus, mem_total, mem_used, disk_total, disk_used; /* bytes */
};

static void measure(struct guest *g, struct metrics *ret)
{
	static const char text[] =
		"nproc; sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo; "
		"cat /proc/[0-9]*/status 2>/dev/null | awk '/^VmRSS:/ { n += $2 } END { print "
		"n + 0 }'; "
		"df -Pk . | awk 'NR == 2 { print $2; print $3 }'";
	struct buf out;

	*ret = (struct metrics){0};
	buf_init(&out, 4096);
	(void)script_run(g, &(struct script){.text = text, .out = &out});
	(void)sscanf(out.data, "%llu %llu %llu %llu %llu", &ret->cpus, &ret->mem_total,
		     &ret->mem_used, &ret->disk_total, &ret->disk_used);
	ret->mem_total <<= 10;
	ret->mem_used <<= 10;
	ret->disk_total <<= 10;
	ret->disk_used <<= 10;
	buf_deinit(&out);
}

void e2b_metrics(struct request *r)
{
	struct guest *g = guest_find(r->peer->guests, GUEST_E2B, r->args[0], false);
	int64_t now = clock_wall(clock_system());
	struct metrics m;
	struct answer a;

	if (!g) {
		e2b_error(r, 404, "Sandbox \"%s\" doesn't exist or you don't have access to it",
			  r->args[0]);
		return;
	}
	answer_begin(&a, '[');
	if (guest_state(g) == GUEST_RUNNING) {
		measure(g, &m);
		json_begin(&a.out, '{');
		answer_time(&a.out, "timestamp", now);
		json_int_field(&a.out, "timestampUnix", now);
		json_int_field(&a.out, "cpuCount", (int64_t)m.cpus);
		json_int_field(&a.out, "cpuUsedPct", 0);
		json_int_field(&a.out, "memUsed", (int64_t)m.mem_used);
		json_int_field(&a.out, "memTotal", (int64_t)m.mem_total);
		json_int_field(&a.out, "memCache", 0);
		json_int_field(&a.out, "diskUsed", (int64_t)m.disk_used);
		json_int_field(&a.out, "diskTotal", (int64_t)m.disk_total);
		json_end(&a.out, '}');
	}
	answer_send(r, &a, ']', 200);
	guest_unref(g);
}

void envd_metrics(struct request *r)
{
	struct metrics m;
	struct answer a;

	measure(r->guest, &m);
	answer_begin(&a, '{');
	json_int_field(&a.out, "ts", clock_wall(clock_system()));
	json_int_field(&a.out, "cpu_count", (int64_t)m.cpus);
	json_int_field(&a.out, "cpu_used_pct", 0);
	json_int_field(&a.out, "mem_total_mib", (int64_t)(m.mem_total >> 20));
	json_int_field(&a.out, "mem_used_mib", (int64_t)(m.mem_used >> 20));
	json_int_field(&a.out, "mem_total", (int64_t)m.mem_total);
	json_int_field(&a.out, "mem_used", (int64_t)m.mem_used);
	json_int_field(&a.out, "mem_cache", 0);
	json_int_field(&a.out, "disk_used", (int64_t)m.disk_used);
	json_int_field(&a.out, "disk_total", (int64_t)m.disk_total);
	answer_send(r, &a, '}', 200);
}
