/* Sources: the one call that needs no store. */
#include "sync/source.h"

void source_free(struct source *s)
{
	if (s)
		s->ops->free(s);
}
