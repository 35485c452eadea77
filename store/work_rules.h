/* store/work_rules.h - what a work tree ignores.
 */
#pragma once

struct gitignore;
struct work;

/* The rules of its .gitignore files, as they are now, and of the project's info/exclude. For one operation, by one thread;
 * free it with gitignore_free() before the work tree goes. */
struct gitignore *work_rules_new(struct work *w);
