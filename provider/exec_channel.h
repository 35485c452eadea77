/* provider/exec_channel.h - the agent's stream over a command, for providers that give nothing else.
 *
 * Any provider with PROVIDER_CAP_EXEC, PROVIDER_CAP_EXEC_FEED and put() gets agent_open() from here: the agent program is sent
 * once per sandbox, under a name that holds its hash, and then run as a relay (provider/agent/relay.h) whose standard
 * input and output are the stream. What the command prints must come through byte for byte.
 *
 *	START ──"FRAG1", then the stream──▶ open
 *	  ▲ └──"FRAG0 <directory>"──▶ PUT ──▶ SETTLE (check the hash, chmod, rename) ─┐
 *	  └───────────────────────────────────────────────────────────────────────────┘
 */
#pragma once

#include <stdbool.h>

#include "provider/provider.h"

struct exec_channels;

struct exec_channels_config {
	const char *agent; /* path of the agent program on this machine */
	const char *home;  /* the agent's --home, absolute in the sandbox; NULL: $HOME there */
	const char *root;  /* the project's directory below it; NULL: "app" */
};

/* One per provider, made and freed by it. `p` is borrowed; strings are copied. */
struct exec_channels *exec_channels_new(struct provider *p,
					const struct exec_channels_config *config);

/* After it no call of these is under way any more, without `done`; channels that are still open just end. */
void exec_channels_free(struct exec_channels *set);

/* As agent_open of provider_ops. `c` gets PROVIDER_UNSUPPORTED when the agent does not run in that sandbox. The deadline of `c`
 * holds for each step by itself. */
int exec_channels_open(struct exec_channels *set, const char *id, struct channel **ret,
		       struct provider_call *c);

/* As cancel of provider_ops; false when `c` is none of these. */
bool exec_channels_cancel(struct exec_channels *set, struct provider_call *c);
