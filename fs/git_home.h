/* fs/git_home.h - a work tree made ready for git.
 */
#pragma once

struct app;
struct fs;
struct work;

/* For whoever opens a work tree, before anybody sees it: takes over what a kill left, says where it is mounted, and sees to it
 * that its `.git` file and git's index are there. What fails is said and leaves a directory to work in, without git. */
void git_home_prepare(struct fs *fs, struct app *app, struct work *w);
