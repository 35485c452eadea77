/* tools/verbs.h - the table of verbs, in the order the help lists them.
 *
 * A new verb is a file tools/cmd_<verb>.c, a line here, a line in tools/frag.c and one in tools/meson.build.
 */
#pragma once

struct verb;

/* All of them; ends with NULL. */
extern const struct verb *const verbs[];

extern const struct verb verb_daemon;
extern const struct verb verb_help;
extern const struct verb verb_import;
extern const struct verb verb_init;
extern const struct verb verb_manual;
extern const struct verb verb_mount;
extern const struct verb verb_unmount;
