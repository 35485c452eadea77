/* tests/peers/quirk.c - the names of the quirks.
 *
 * One table; a profile is a set of quirks that one version of a vendor's server is known to have.
 */
#include "tests/peers/quirk.h"

#include <stddef.h>
#include <string.h>

static const char *const names[QUIRK_END] = {
	[QUIRK_E2B_NO_V2] = "e2b-no-v2",
	[QUIRK_E2B_OLD_ENVD] = "e2b-old-envd",
	[QUIRK_E2B_CUT_STREAM] = "e2b-cut-stream",
	[QUIRK_E2B_NO_END] = "e2b-no-end",
	[QUIRK_E2B_SPLIT] = "e2b-split-frames",
	[QUIRK_E2B_BAD_GATEWAY] = "e2b-bad-gateway",
	[QUIRK_DAYTONA_S190] = "daytona-s190",
	[QUIRK_DAYTONA_CREATING] = "daytona-creating",
	[QUIRK_DAYTONA_TRUNCATE] = "daytona-truncate",
	[QUIRK_DAYTONA_LAZY_LIST] = "daytona-lazy-list",
	[QUIRK_DAYTONA_EMPTY_502] = "daytona-empty-502",
	[QUIRK_THROTTLE] = "throttle",
};

static const struct {
	const char *name;
	uint32_t set;
} profiles[] = {
	{"current", 0},
	{"e2b-v1", 1U << QUIRK_E2B_NO_V2 | 1U << QUIRK_E2B_OLD_ENVD},
	{"daytona-v0.190", 1U << QUIRK_DAYTONA_S190 | 1U << QUIRK_DAYTONA_CREATING |
				   1U << QUIRK_DAYTONA_EMPTY_502},
};

uint32_t quirk_by_name(const char *name)
{
	for (unsigned i = 0; i < QUIRK_END; i++)
		if (!strcmp(names[i], name))
			return 1U << i;
	return 0;
}

uint32_t quirk_profile(const char *name)
{
	for (size_t i = 1; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		if (!strcmp(profiles[i].name, name))
			return profiles[i].set;
	return 0;
}

const char *quirk_name(unsigned i)
{
	return i < QUIRK_END ? names[i] : NULL;
}
