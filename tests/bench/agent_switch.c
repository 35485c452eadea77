/* tests/bench/agent_switch.c - how long the agent takes for switches of k files, and a whole sandbox to start.
 *
 *	agent_switch AGENT DIR    DIR: an empty directory on the file system to measure; one JSON object a row
 *
 * A tree of 5,000 files of 1 KiB; switches of 1, 100 and 1,000 of them there and back, each with a verify sent behind
 * the commit, as the engine does. Medians of 21; no wall is between client and agent, so this is
 * the floor under every provider.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/judge.h"
#include "tests/agent_client.h"

enum { FILES = 5000, ROUNDS = 21, SIZE = 1024 };

static struct tree_file base_files[FILES + 1], changed[FILES + 1];
static const struct tree_file empty[] = {{0}};

static char *text_of(unsigned i, char version)
{
	char *text = alloc_zero(SIZE + 1);

	memset(text, version, SIZE);
	(void)snprintf(text, 16, "%c %05u", version, i);
	text[strlen(text)] = '\n';
	return text;
}

static int by_value(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int64_t median(int64_t *v)
{
	qsort(v, ROUNDS, sizeof(*v), by_value);
	return v[ROUNDS / 2];
}

/* One switch with its verify; the time until both replies are here. */
static int64_t timed_switch(struct agent_client *c, const struct tree_file *from,
			    const struct tree_file *to, int64_t *apply_us)
{
	struct wire_frame r;
	int64_t start;

	(void)agent_client_new_id(c);
	agent_client_gather_switch(c, from, to, WIRE_INLINE);
	agent_client_gather(c, (struct wire_frame){.type = WIRE_VERIFY});
	start = clock_ns();
	agent_client_flush(c);
	r = agent_client_next(c);
	assert_frame(&r, WIRE_APPLIED);
	*apply_us = r.apply_us;
	r = agent_client_next(c);
	assert_frame(&r, WIRE_VERIFIED);
	assert_int_equal(r.n_drift, 0);
	return (clock_ns() - start) / 1000;
}

static void measure(struct agent_client *c, unsigned k)
{
	int64_t whole[ROUNDS], apply[ROUNDS];

	memcpy(changed, base_files, sizeof(changed));
	for (unsigned i = 0; i < k; i++)
		changed[i * (FILES / k)].text = text_of(i, 'b');
	for (unsigned n = 0; n < ROUNDS; n++)
		whole[n] = timed_switch(c, n % 2 ? changed : base_files,
					n % 2 ? base_files : changed, &apply[n]);
	if (ROUNDS % 2)
		(void)timed_switch(c, changed, base_files, &apply[0]);
	printf("{\"row\":\"agent switch, verified\",\"k\":%u,\"ms\":%.2f,\"sweep_ms\":%.2f}\n",
	       k, (double)median(whole) / 1000, (double)median(apply) / 1000);
}

int main(int argc, char **argv)
{
	struct agent_client c;
	int64_t apply;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3)
		return 2;
	for (unsigned i = 0; i < FILES; i++)
		base_files[i] = (struct tree_file){
			.path = alloc_fmt("d%03u/f%04u", i / 20, i),
			.mode = MODE_FILE,
			.text = text_of(i, 'a'),
		};
	agent_client_start(&c, argv[1], argv[2]);
	printf("{\"row\":\"agent first tree\",\"k\":%d,\"ms\":%.2f}\n", FILES,
	       (double)timed_switch(&c, empty, base_files, &apply) / 1000);
	measure(&c, 1);
	measure(&c, 100);
	measure(&c, 1000);
	agent_client_stop(&c);
	return 0;
}
