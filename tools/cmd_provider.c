/* frag provider list, test, rollout: who can run sandboxes, whether he answers, and whose turn it is.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "tools/shares.h"
#include "tools/vendors.h"
#include "tools/verbs.h"

enum { TEST_MS = 15000 };

static const struct {
	unsigned cap;
	const char *word;
} words[] = {
	{PROVIDER_CAP_AGENT, "agent"},       {PROVIDER_CAP_EXEC, "exec"},
	{PROVIDER_CAP_TTY, "terminal"},      {PROVIDER_CAP_BACKGROUND, "background"},
	{PROVIDER_CAP_PAUSE, "pause"},       {PROVIDER_CAP_STOP, "stop"},
	{PROVIDER_CAP_PREVIEW, "preview"},   {PROVIDER_CAP_NETWORK, "network"},
	{PROVIDER_CAP_LABELS, "labels"},     {PROVIDER_CAP_METRICS, "metrics"},
	{PROVIDER_CAP_LIFETIME, "lifetime"}, {PROVIDER_CAP_SNAPSHOT, "snapshot"},
};

enum { N_WORDS = sizeof(words) / sizeof(words[0]) };

static const char *standing(int opened)
{
	return !opened                    ? "ready"
	       : opened == VENDOR_UNSET   ? "no credentials"
	       : opened == VENDOR_EXPOSED ? "its configuration can be read by others"
					  : "cannot be used";
}

static void list_json(struct json_out *o, const char *name, const char *state, unsigned caps)
{
	json_begin(o, '{');
	json_str_field(o, "name", name);
	json_str_field(o, "state", state);
	json_key_out(o, "can");
	json_begin(o, '[');
	for (size_t i = 0; i < N_WORDS; i++)
		if (caps & words[i].cap)
			json_put_str(o, words[i].word);
	json_end(o, ']');
	json_end(o, '}');
}

static void list_text(const char *name, const char *state, unsigned caps)
{
	printf("%-8s %s", name, state);
	for (size_t i = 0; i < N_WORDS; i++)
		if (caps & words[i].cap)
			printf(" %s", words[i].word);
	printf("\n");
}

static int run_list(struct cli *cli, const struct cli_args *args)
{
	struct json_out o;

	json_out_file(&o, stdout);
	if (cli->json)
		json_begin(&o, '[');
	for (size_t i = 0; vendor_name(i); i++) {
		struct provider *p = NULL;
		int r = vendor_open(cli, vendor_name(i), &p);
		unsigned caps = r ? 0 : provider_caps(p).flags;

		if (cli->json)
			list_json(&o, vendor_name(i), standing(r), caps);
		else
			list_text(vendor_name(i), standing(r), caps);
		provider_free(p);
	}
	if (!cli->json)
		return CLI_DONE;
	json_end(&o, ']');
	return json_out_end(&o);
}

const struct verb verb_provider_list = {
	.name = "provider list",
	.synopsis = "",
	.summary = "list the providers of sandboxes and what they can do",
	.help = "Asks nobody: `frag provider test` does.\n"
		"\n"
		"Settings are the vendors' own variables (E2B_API_KEY, E2B_DOMAIN, "
		"E2B_API_URL, "
		"E2B_SANDBOX_URL; DAYTONA_API_KEY, DAYTONA_API_URL, DAYTONA_ORGANIZATION_ID, "
		"DAYTONA_TARGET) or, where one is not set, the file config in the home, in "
		"git's "
		"syntax, of mode 0600:\n"
		"\n"
		"  [provider \"e2b\"]\n"
		"          apiKey = ...",
	.run = run_list,
};

static int see(const struct provider_sandbox *s, void *arg)
{
	(*(uint64_t *)arg)++;
	return 0;
}

static int start_list(struct provider *p, void *arg, struct provider_call *c)
{
	return provider_list(p, arg, c);
}

static int run_test(struct cli *cli, const struct cli_args *args)
{
	const char *name = args->n_pos ? args->pos[0] : "local";
	uint64_t n = 0;
	struct provider_page page = {.fn = see, .arg = &n, .limit = 10};
	char why[PROVIDER_WHY_MAX] = "";
	struct provider *p = NULL;
	struct json_out o;
	int64_t start, us;
	int r = vendor_open_or_refuse(cli, name, &p);

	if (r)
		return r;
	start = clock_ns();
	r = provider_run(p, start_list, &page, TEST_MS, why);
	us = (clock_ns() - start) / 1000;
	provider_free(p);
	if (r)
		return cli_refuse(vendor_hint(name), "'%s' does not work: %s%s%s", name,
				  provider_words(r), *why ? ": " : "", why);
	if (!cli->json) {
		printf("%s  works  %lld.%03lld ms\n", name, (long long)us / 1000,
		       (long long)us % 1000);
		return CLI_DONE;
	}
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	json_str_field(&o, "provider", name);
	json_int_field(&o, "us", us);
	json_end(&o, '}');
	return json_out_end(&o);
}

const struct verb verb_provider_test = {
	.name = "provider test",
	.synopsis = "[<provider>]",
	.summary = "ask a provider whether it answers and lets us in",
	.help = "Asks for one page of its list of sandboxes, and says how long that took.",
	.max_pos = 1,
	.run = run_test,
};

static int run_rollout(struct cli *cli, const struct cli_args *args)
{
	struct shares s = {0};
	struct json_out o;
	int r = args->n_pos ? CLI_DONE : shares_read(cli, &s);

	for (size_t i = 0; i < args->n_pos && !r; i++)
		r = shares_add(&s, args->pos[i]);
	if (!r && args->n_pos)
		r = shares_write(cli, &s);
	if (r)
		return r;
	if (!cli->json) {
		for (size_t i = 0; i < s.n; i++)
			printf("%-8s %u\n", s.all[i].provider, s.all[i].weight);
		return CLI_DONE;
	}
	json_out_file(&o, stdout);
	json_begin(&o, '{');
	for (size_t i = 0; i < s.n; i++)
		json_int_field(&o, s.all[i].provider, s.all[i].weight);
	json_end(&o, '}');
	return json_out_end(&o);
}

const struct verb verb_provider_rollout = {
	.name = "provider rollout",
	.synopsis = "[<provider>=<weight>...]",
	.summary = "show or set how new sandboxes are shared out among providers",
	.help = "A project's name decides, so it is the same everywhere, and when the share "
		"named last "
		"grows, those who had it keep it. Sandboxes that are there stay where they "
		"are. It "
		"holds at once: a weight of 0 takes everything back.\n"
		"\n"
		"  frag provider rollout local=90 e2b=10",
	.max_pos = SHARES_MAX,
	.run = run_rollout,
};
