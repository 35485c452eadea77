/* tests/provider/subjects.c - how each provider is made for the suite.
 */
#include "tests/provider/conform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "provider/fault.h"
#include "provider/metered.h"
#include "provider/retry.h"
#include "tests/peers/peer.h"
#include "tests/peers/quirk.h"

static const char *make_memory(struct conform *c)
{
	c->p = provider_memory_new(clock_system());
	c->dir = "/project";
	return NULL;
}

static const char *make_local(struct conform *c)
{
	const struct provider_local_config config = {
		.dir = c->s.path, .agent = c->agent, .self = c->frag};

	assert_int_equal(provider_local_new(&config, &c->p), 0);
	c->dir = "/home/sb";
	c->spec.max_processes = 200;
	return NULL;
}

/* All that the product puts in front of a hosted provider. */
static const char *make_wrapped(struct conform *c)
{
	static struct provider_stats stats;
	const char *why = make_local(c);

	c->p = provider_retry_new(c->p, &(struct retry_config){.seed = 1});
	c->p = provider_metered_new(c->p, &stats, NULL);
	return why;
}

/* A network that loses nothing but is slow, out of order, busy and away now and then; what retry makes of it must
 * look like a good one. */
static const char *make_rough(struct conform *c)
{
	const char *why = make_local(c);

	c->p = provider_fault_new(c->p, &(struct fault_config){.seed = 42,
							       .offline = 60,
							       .busy = 60,
							       .delay = 100,
							       .reorder = 50,
							       .duplicate = 50});
	c->p = provider_retry_new(c->p, &(struct retry_config){.seed = 2,
							       .tries = 12,
							       .base_ms = 1,
							       .cap_ms = 20,
							       .budget = 1000,
							       .breaker_failures = 1000});
	return why;
}

/* Over real sockets, against our server of the vendor's API. */
static const char *make_e2b(struct conform *c)
{
	const struct peer_config peer = {.dir = c->s.path, .agent = c->agent};
	struct provider_e2b_config config = {
		.api_key = PEER_E2B_KEY,
		.proxy = "",
		.agent = c->agent,
		/* not where the local sandbox's own agent lives */
		.home = "/home/sb/hosted",
	};
	struct peer *p;

	assert_int_equal(peer_start(&peer, &p), 0);
	config.api_url = config.sandbox_url = peer_url(p);
	assert_int_equal(provider_e2b_new(&config, &c->p), 0);
	c->own = p;
	c->dir = "/home/sb";
	return NULL;
}

static const char *make_daytona_of(struct conform *c, uint32_t quirks)
{
	const struct peer_config peer = {.dir = c->s.path, .agent = c->agent, .quirks = quirks};
	struct provider_daytona_config config = {
		.api_key = PEER_DAYTONA_KEY,
		.proxy = "",
		.agent = c->agent,
		.home = "/home/sb/hosted",
	};
	CLEANUP(free_p) char *url = NULL;
	struct peer *p;

	assert_int_equal(peer_start(&peer, &p), 0);
	config.api_url = url = alloc_fmt("%s/api", peer_url(p));
	assert_int_equal(provider_daytona_new(&config, &c->p), 0);
	c->own = p;
	c->dir = "/home/sb";
	return NULL;
}

static const char *make_daytona(struct conform *c)
{
	return make_daytona_of(c, 1U << QUIRK_DAYTONA_CREATING);
}

/* The last public server. */
static const char *make_daytona_old(struct conform *c)
{
	return make_daytona_of(c, 1U << QUIRK_DAYTONA_S190 | 1U << QUIRK_DAYTONA_EMPTY_502);
}

static void end_peer(struct conform *c)
{
	peer_stop(c->own);
}

const struct subject subjects[] = {
	{"memory", make_memory, NULL},
	{"local", make_local, NULL},
	{"wrapped", make_wrapped, NULL},
	{"rough", make_rough, NULL},
	{"e2b", make_e2b, end_peer},
	{"daytona", make_daytona, end_peer},
	{"daytona_old", make_daytona_old, end_peer},
	{NULL, NULL, NULL},
};
