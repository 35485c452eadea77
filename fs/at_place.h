/* fs/at_place.h - revisions as names in a directory.
 */
#pragma once

/* `name` with each %XX turned into its byte (%00 and what is no such pair stay as they are); malloc'ed. */
char *at_place_decode(const char *name);
