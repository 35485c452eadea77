/* tools/here.h - what the current directory says.
 */
#pragma once

/* The home behind the mount that the current directory lies in; NULL when it lies in none. Free it. */
char *here_home(void);

/* The work tree that the current directory lies in, by its path: `live` or one below work/; NULL when it lies in none. Free it. */
char *here_work(void);
