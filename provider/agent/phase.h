/* provider/agent/phase.h - which changes of a sweep come before which.
 */
#pragma once

#include <stdbool.h>

#include "provider/agent/apply.h"
#include "provider/agent/manifest.h"

/* Is this the name of a file that dev servers restart or reinstall on: configuration and lockfiles? */
bool phase_is_config(const char *path);

/* The phase of `c`; `old` is what was applied under its path, or NULL. */
enum change_phase phase_of(const struct change *c, const struct manifest_entry *old);
