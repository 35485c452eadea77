/* tests/peers/daytona_control.c - Daytona's two planes: nothing of them is served yet, every path is unknown.
 */
#include "tests/peers/route.h"

static void unknown(struct request *r)
{
	reply_empty(r, 404);
}

const struct plane daytona_control_plane = {.unknown_path = unknown, .wrong_method = unknown};
const struct plane toolbox_plane = {.unknown_path = unknown, .wrong_method = unknown};
