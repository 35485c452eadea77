/* tools/vendors.c - one table of settings, and a constructor for each provider.
 *
 * Values live in a struct of strings until the provider has copied them, then those that are secret are wiped. Nothing
 * below tools/ reads the environment.
 */
#include "tools/vendors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "provider/retry.h"
#include "store/config_file.h"

enum { SETTINGS_MAX = 10 };

/* `key` is that of the configuration, below provider.<name>; `env` the vendor's own variable. */
struct setting {
	const char *key, *env;
	bool secret;
};

struct vendor {
	const char *name, *hint;
	struct setting settings[SETTINGS_MAX]; /* ends with a NULL key */
	int (*make)(const struct cli *cli, char *const *values, struct provider **ret);
};

static int make_local(const struct cli *cli, char *const *values, struct provider **ret)
{
	CLEANUP(free_p) char *dir = alloc_fmt("%s/sandboxes", cli->home);
	const struct provider_local_config config = {
		.dir = dir,
		.agent = cli->agent,
		.self = cli->self,
		.clock = clock_system(),
	};

	return provider_local_new(&config, ret);
}

enum { E2B_KEY, E2B_DOMAIN, E2B_API, E2B_SANDBOX, E2B_TEMPLATE, E2B_CA, E2B_HOME };

static int make_e2b(const struct cli *cli, char *const *values, struct provider **ret)
{
	const struct provider_e2b_config config = {
		.api_key = values[E2B_KEY],
		.domain = values[E2B_DOMAIN],
		.api_url = values[E2B_API],
		.sandbox_url = values[E2B_SANDBOX],
		.template_id = values[E2B_TEMPLATE],
		.ca_file = values[E2B_CA],
		.home = values[E2B_HOME],
		.agent = cli->agent,
	};

	return provider_e2b_new(&config, ret);
}

enum {
	DAYTONA_KEY,
	DAYTONA_JWT,
	DAYTONA_ORG,
	DAYTONA_API,
	DAYTONA_TARGET,
	DAYTONA_SNAPSHOT,
	DAYTONA_CA,
	DAYTONA_HOME
};

static int make_daytona(const struct cli *cli, char *const *values, struct provider **ret)
{
	const struct provider_daytona_config config = {
		.api_key = values[DAYTONA_KEY],
		.jwt = values[DAYTONA_JWT],
		.organization = values[DAYTONA_ORG],
		.api_url = values[DAYTONA_API],
		.target = values[DAYTONA_TARGET],
		.snapshot = values[DAYTONA_SNAPSHOT],
		.ca_file = values[DAYTONA_CA],
		.home = values[DAYTONA_HOME],
		.agent = cli->agent,
	};

	return provider_daytona_new(&config, ret);
}

static const struct vendor vendors[] = {
	{"local", NULL, {{NULL, NULL, false}}, make_local},
	{"e2b",
	 "set E2B_API_KEY, or provider.e2b.apiKey in the home's config",
	 {[E2B_KEY] = {"apikey", "E2B_API_KEY", true},
	  [E2B_DOMAIN] = {"domain", "E2B_DOMAIN", false},
	  [E2B_API] = {"apiurl", "E2B_API_URL", false},
	  [E2B_SANDBOX] = {"sandboxurl", "E2B_SANDBOX_URL", false},
	  [E2B_TEMPLATE] = {"template", "E2B_TEMPLATE", false},
	  [E2B_CA] = {"cafile", "SSL_CERT_FILE", false},
	  [E2B_HOME] = {"home", "FRAG_E2B_HOME", false}},
	 make_e2b},
	{"daytona",
	 "set DAYTONA_API_KEY, or provider.daytona.apiKey in the home's config",
	 {[DAYTONA_KEY] = {"apikey", "DAYTONA_API_KEY", true},
	  [DAYTONA_JWT] = {"jwt", "DAYTONA_JWT_TOKEN", true},
	  [DAYTONA_ORG] = {"organization", "DAYTONA_ORGANIZATION_ID", false},
	  [DAYTONA_API] = {"apiurl", "DAYTONA_API_URL", false},
	  [DAYTONA_TARGET] = {"target", "DAYTONA_TARGET", false},
	  [DAYTONA_SNAPSHOT] = {"snapshot", "DAYTONA_SNAPSHOT", false},
	  [DAYTONA_CA] = {"cafile", "SSL_CERT_FILE", false},
	  [DAYTONA_HOME] = {"home", "FRAG_DAYTONA_HOME", false}},
	 make_daytona},
};

enum { N_VENDORS = sizeof(vendors) / sizeof(vendors[0]) };

const char *vendor_name(size_t i)
{
	return i < N_VENDORS ? vendors[i].name : NULL;
}

static const struct vendor *find(const char *name)
{
	for (size_t i = 0; i < N_VENDORS; i++)
		if (!strcmp(vendors[i].name, name))
			return &vendors[i];
	return NULL;
}

const char *vendor_hint(const char *name)
{
	const struct vendor *v = find(name);

	return v ? v->hint : "`frag provider list` shows which there are";
}

/* One setting. 0 (perhaps without a value), VENDOR_EXPOSED or a fault. */
static int read_setting(const struct vendor *v, const struct setting *s, const char *path,
			char **ret)
{
	CLEANUP(free_p) char *key = alloc_fmt("provider.%s.%s", v->name, s->key);
	const char *env = getenv(s->env);
	struct stat st;
	int r;

	if (env && *env) {
		*ret = alloc_str(env);
		return 0;
	}
	r = config_file_get(path, key, ret);
	if (r == CONFIG_FILE_MISSING)
		return 0;
	if (!r && s->secret && !stat(path, &st) && st.st_mode & 077)
		return VENDOR_EXPOSED;
	return r;
}

static void wipe(const struct vendor *v, char **values)
{
	for (size_t i = 0; i < SETTINGS_MAX; i++) {
		if (values[i] && v->settings[i].secret)
			explicit_bzero(values[i], strlen(values[i]));
		free(values[i]);
	}
}

/* Hosted ones are far away. */
static struct provider *with_retries(struct provider *p)
{
	struct retry_config config = {0};

	if (getrandom(&config.seed, sizeof(config.seed), 0) < 0)
		config.seed = (uint64_t)clock_ns();
	return provider_retry_new(p, &config);
}

int vendor_open(const struct cli *cli, const char *name, struct provider **ret)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s/config", cli->home);
	const struct vendor *v = find(name);
	char *values[SETTINGS_MAX] = {0};
	struct provider *p = NULL;
	int r = 0;

	if (!v)
		return VENDOR_UNKNOWN;
	for (size_t i = 0; v->settings[i].key && !r; i++)
		r = read_setting(v, &v->settings[i], path, &values[i]);
	if (!r) {
		r = v->make(cli, values, &p);
		r = r == PROVIDER_DENIED ? VENDOR_UNSET : r;
	}
	wipe(v, values);
	if (!r)
		*ret = v->hint ? with_retries(p) : p;
	return r;
}

int vendor_open_or_refuse(const struct cli *cli, const char *name, struct provider **ret)
{
	int r = vendor_open(cli, name, ret);

	switch (r) {
	case 0:
		return CLI_DONE;
	case VENDOR_UNKNOWN:
		return cli_refuse(vendor_hint(name), "there is no provider '%s'", name);
	case VENDOR_UNSET:
		return cli_refuse(vendor_hint(name), "'%s' has no credentials", name);
	case VENDOR_EXPOSED:
		return cli_refuse("`chmod 600` it",
				  "the home's config holds a secret that others can read");
	default:
		return CLI_FAILED;
	}
}
