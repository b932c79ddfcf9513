/*
 * A running proxy's console from the command line: connects with libpq,
 * prints notices as they come, and passes Ctrl-C on as a cancel request.
 */
#ifndef CROSSFADE_APP_CONSOLE_CLIENT_H
#define CROSSFADE_APP_CONSOLE_CLIENT_H

#include "app/settings.h"
#include "base/error.h"

#include <argp.h>

struct console_client;

/*
 * dsn NULL: the console that the configuration (path as -c says, or NULL)
 * names. place_out, if not NULL: where that is, for people; in the arena.
 */
bool console_client_dsn(const struct settings *settings, struct arena *arena, const char **dsn_out,
			struct error *error_out);
/* timeout_s 0: libpq's own. */
bool console_client_open(const char *dsn, unsigned timeout_s, struct console_client **client_out,
			 struct error *error_out);
/* Where its lines of progress go; stderr unless it is said. */
void console_client_print_to(struct console_client *client, FILE *stream);
void console_client_free(struct console_client *client);

/*
 * Sends one command with parameters (NULL-terminated texts; NULL: none) and
 * waits. The result stays until the next command.
 */
bool console_client_run(struct console_client *client, const char *command, const char *const *parameters,
			struct error *error_out);
size_t console_client_rows(const struct console_client *client);
size_t console_client_columns(const struct console_client *client);
const char *console_client_column(const struct console_client *client, size_t column);
/* NULL: null. */
const char *console_client_cell(const struct console_client *client, size_t row, size_t column);

/* 1: it was refused or failed; 2: it was not understood. */
int console_client_exit_status(const struct error *error);

/* What every subcommand takes that gives orders to a console. */
struct console_options {
	const char *config, *console, *reason;
	bool force; /* only with a reason */
};
/* A child of the subcommand's argp; its input, set at ARGP_KEY_INIT, is the console_options. */
extern const struct argp console_options_argp;

/* Connects as the options say, and returns what run does, or says why that was not to be had. */
int console_client_command(const struct console_options *options,
			   int (*run)(struct console_client *client, const void *arguments), const void *arguments);

#endif
