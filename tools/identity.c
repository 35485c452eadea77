/* Finding out who signs a tag.
 *
 * Git's order: the environment, the user's configuration, the account. Git refuses to guess an address from the host's name when
 * it looks made up; here the account is good enough, since a tag can be replaced and a refusal would stand in the way
 * of a script.
 */
#include "tools/identity.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "store/config_file.h"

static char *from_env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? alloc_str(v) : NULL;
}

static char *from_file(const char *dir, const char *rest, const char *key)
{
	CLEANUP(free_p) char *path = dir && *dir ? alloc_fmt("%s/%s", dir, rest) : NULL;
	char *value = NULL;

	return path && !config_file_get(path, key, &value) ? value : NULL;
}

/* The file that git reads last, so that wins, comes first. */
static char *from_config(const char *key)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
	char *value = from_file(home, ".gitconfig", key);

	if (!value)
		value = xdg && *xdg ? from_file(xdg, "git/config", key)
				    : from_file(home, ".config/git/config", key);
	return value;
}

static void from_account(struct commit_who *who)
{
	struct passwd pw, *found = NULL;
	char text[4096], host[HOST_NAME_MAX + 1] = "localhost";

	if (getpwuid_r(getuid(), &pw, text, sizeof(text), &found) || !found)
		found = NULL;
	(void)gethostname(host, sizeof(host) - 1);
	if (!who->name && found && found->pw_gecos && *found->pw_gecos)
		who->name = alloc_copy(found->pw_gecos, strcspn(found->pw_gecos, ","));
	if (!who->name || !*who->name) {
		free(who->name);
		who->name = alloc_str(found ? found->pw_name : "unknown");
	}
	if (!who->email)
		who->email = alloc_fmt("%s@%s", found ? found->pw_name : "unknown", host);
}

/* "1700000000 +0100", as git writes it, or ISO 8601. */
static bool parse_date(const char *s, int64_t *t, int *tz)
{
	char sign = '+';
	int hours = 0, minutes = 0, used = 0;
	long long seconds;

	if (sscanf(s + (*s == '@'), "%lld %c%2d%2d%n", &seconds, &sign, &hours, &minutes,
		   &used) == 4 &&
	    !s[used + (*s == '@')] && strchr("+-", sign)) {
		*t = seconds;
		*tz = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
		return true;
	}
	return !clock_parse(s, t, tz);
}

static void set_time(struct commit_who *who)
{
	const char *date = getenv("GIT_COMMITTER_DATE");
	struct tm tm;
	time_t now;
	int tz = 0;

	if (date && parse_date(date, &who->time, &tz)) {
		who->tz = (int16_t)tz;
		return;
	}
	who->time = clock_wall(clock_system());
	now = (time_t)who->time;
	if (localtime_r(&now, &tm))
		who->tz = (int16_t)(tm.tm_gmtoff / 60);
}

void identity_read(struct commit_who *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->name = from_env("GIT_COMMITTER_NAME");
	ret->email = from_env("GIT_COMMITTER_EMAIL");
	if (!ret->name)
		ret->name = from_config("user.name");
	if (!ret->email)
		ret->email = from_config("user.email");
	if (!ret->email)
		ret->email = from_env("EMAIL");
	from_account(ret);
	set_time(ret);
}

void identity_deinit(struct commit_who *who)
{
	free(who->name);
	free(who->email);
	memset(who, 0, sizeof(*who));
}
