/* tests/crash/probe_store.h - the value of a thing in a home, as workloads that share the store name it.
 *
 *	project:<name>                 "here"
 *	ref:<project>:<refname>        the commit
 *	head:<project>                 the branch, or the commit when detached
 *	commit:<project>:<oid>         "whole" when commit, tree and every byte are as work_commits made them
 *	seq:<project>:<oid>            the fragment's number
 *	fsck:<project>                 "clean", or the first problem
 */
#pragma once

#include "tests/crash/workload.h"

void *probe_store_open(const char *dir);
void probe_store(void *opened, const char *key, char value[WORKLOAD_VALUE_MAX]);
void probe_store_close(void *opened);
