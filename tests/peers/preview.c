/* tests/peers/preview.c - previews are not served yet: every one is a bad gateway.
 */
#include "tests/peers/preview.h"

#include "tests/peers/request.h"
#include "tests/peers/route.h"

static void nothing(struct request *r)
{
	reply_text(r, 502, "no previews yet");
}

void preview_enter(struct request *r, const char *id)
{
	request_refuse(r, nothing);
}

void preview_enter_path(struct request *r)
{
	request_refuse(r, nothing);
}
