/* tests/crash/work_commits.h - the bytes its commits hold, for who must judge them.
 */
#pragma once

#include <stddef.h>

#include "store/commit.h"

enum { WORK_COMMITS_FILES = 3 };

/* Text of dir/<file>/file in the commit titled "round <round>"; returns its length. */
size_t work_commits_text(int round, int file, char *ret, size_t size);
