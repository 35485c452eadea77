/* tools/identity.h - who the user is, in git's own terms.
 */
#pragma once

#include "store/commit.h"

/* From GIT_COMMITTER_NAME, _EMAIL, _DATE, then user.name and user.email of ~/.gitconfig or $XDG_CONFIG_HOME/git/config,
 * then the account. Free with identity_deinit(). */
void identity_read(struct commit_who *ret);
void identity_deinit(struct commit_who *who);
