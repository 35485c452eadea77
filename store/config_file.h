/* store/config_file.h - one file in git's configuration syntax.
 *
 * Nothing is searched for: whoever asks names the file, so that no configuration is consulted unseen.
 */
#pragma once

enum config_file_outcome {
	CONFIG_FILE_MISSING = 1, /* no such file, or no such key in it */
};

/* The last value of `key` ("user.name"). 0, CONFIG_FILE_MISSING, or a fault (a file that does not parse). Free it. */
int config_file_get(const char *path, const char *key, char **ret);
