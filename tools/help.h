/* tools/help.h - the verb table as help and as manual pages: one source for both.
 */
#pragma once

#include <stdio.h>

struct buf;
struct verb;

/* "frag --help". */
void help_overview(FILE *out);
void help_version(FILE *out);

/* "frag help <verb>". */
void help_verb(FILE *out, const struct verb *v);

/* The verbs of a group ("project"); how many there are. */
unsigned help_group(FILE *out, const char *group);

/* A page in man(7): of the program when `v` is NULL. */
void help_manual(FILE *out, const struct verb *v);
