/* tools/verbs.h - the table of verbs, in the order the help lists them.
 *
 * A new verb is a file tools/cmd_<verb>.c, a line here, a line in tools/frag.c and one in tools/meson.build.
 */
#pragma once

struct verb;

/* All of them; ends with NULL. */
extern const struct verb *const verbs[];

extern const struct verb verb_ask;
extern const struct verb verb_branch;
extern const struct verb verb_branch_create;
extern const struct verb verb_branch_delete;
extern const struct verb verb_branch_list;
extern const struct verb verb_checkout;
extern const struct verb verb_commit;
extern const struct verb verb_completion;
extern const struct verb verb_daemon;
extern const struct verb verb_diff;
extern const struct verb verb_export;
extern const struct verb verb_fsck;
extern const struct verb verb_gc;
extern const struct verb verb_help;
extern const struct verb verb_import;
extern const struct verb verb_init;
extern const struct verb verb_log;
extern const struct verb verb_manual;
extern const struct verb verb_merge;
extern const struct verb verb_mount;
extern const struct verb verb_op_log;
extern const struct verb verb_op_restore;
extern const struct verb verb_op_show;
extern const struct verb verb_project_create;
extern const struct verb verb_project_delete;
extern const struct verb verb_project_list;
extern const struct verb verb_project_rename;
extern const struct verb verb_provider_list;
extern const struct verb verb_provider_rollout;
extern const struct verb verb_provider_test;
extern const struct verb verb_reindex;
extern const struct verb verb_sandbox_cp;
extern const struct verb verb_restore;
extern const struct verb verb_sandbox_down;
extern const struct verb verb_sandbox_exec;
extern const struct verb verb_sandbox_forward;
extern const struct verb verb_sandbox_kill;
extern const struct verb verb_sandbox_list;
extern const struct verb verb_sandbox_logs;
extern const struct verb verb_sandbox_pause;
extern const struct verb verb_sandbox_resume;
extern const struct verb verb_sandbox_rm;
extern const struct verb verb_sandbox_run;
extern const struct verb verb_sandbox_shell;
extern const struct verb verb_sandbox_show;
extern const struct verb verb_sandbox_start;
extern const struct verb verb_sandbox_stop;
extern const struct verb verb_sandbox_up;
extern const struct verb verb_sandbox_url;
extern const struct verb verb_search;
extern const struct verb verb_show;
extern const struct verb verb_sync_events;
extern const struct verb verb_sync_flush;
extern const struct verb verb_sync_pause;
extern const struct verb verb_sync_resolve;
extern const struct verb verb_sync_resume;
extern const struct verb verb_status;
extern const struct verb verb_sync_status;
extern const struct verb verb_sync_wait;
extern const struct verb verb_tag;
extern const struct verb verb_tag_create;
extern const struct verb verb_tag_delete;
extern const struct verb verb_tag_list;
extern const struct verb verb_undo;
extern const struct verb verb_unmount;
extern const struct verb verb_work_add;
extern const struct verb verb_work_list;
extern const struct verb verb_work_rm;
