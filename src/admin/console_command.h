/*
 * The commands of the console as one table: how each is written, what rows it
 * gives, whether it changes something, what it is for. Reading a statement
 * gives a request; carrying it out is somebody else's work.
 */
#ifndef CROSSFADE_ADMIN_CONSOLE_COMMAND_H
#define CROSSFADE_ADMIN_CONSOLE_COMMAND_H

#include "admin/console_words.h"
#include "model/name.h"
#include "model/stage.h"
#include "wire/rows.h"

enum console_verb {
	CONSOLE_SHOW_TABLES,
	CONSOLE_SHOW_FLAGS,
	CONSOLE_SHOW_HISTORY,
	CONSOLE_SHOW_USAGE,
	CONSOLE_SHOW_CLIENTS,
	CONSOLE_SHOW_SERVERS,
	CONSOLE_SHOW_STATS,
	CONSOLE_SHOW_CACHE,
	CONSOLE_SHOW_CONFIG,
	CONSOLE_SHOW_BLOCKERS,
	CONSOLE_SHOW_BYPASS,
	CONSOLE_SHOW_PROXIES,
	CONSOLE_SHOW_PAUSES,
	CONSOLE_SHOW_CUTOVERS,
	CONSOLE_SHOW_VERSION,
	CONSOLE_SHOW_HELP,
	CONSOLE_SET_FLAG,
	CONSOLE_PAUSE,
	CONSOLE_RESUME,
	CONSOLE_CUTOVER,
	CONSOLE_REVERSE,
	CONSOLE_CANCEL_CUTOVER,
	CONSOLE_REWRITE,
	CONSOLE_RELOAD,
	CONSOLE_SHUTDOWN,
	/* What drivers send by themselves; they do nothing here. */
	CONSOLE_SHOW_ISOLATION,
	CONSOLE_SETTING,
	CONSOLE_BEGIN,
	CONSOLE_COMMIT,
	CONSOLE_ROLLBACK,
	CONSOLE_DISCARD,
	CONSOLE_VERB_COUNT,
};

struct console_command {
	const char *words;  /* what it begins with: "SHOW TABLES" */
	const char *syntax; /* all of it */
	const char *tag;    /* of CommandComplete */
	const char *help;   /* NULL: not listed */
	bool changes;	    /* for admins only */
	const struct rows_column *columns;
	size_t column_count; /* 0: no rows */
};
const struct console_command *console_command(enum console_verb verb);

struct console_request {
	enum console_verb verb;
	const char *database;  /* of the table; NULL: not said */
	struct rel_name table; /* name NULL: none */
	const char *group;     /* NULL: none */
	enum stage stage;
	bool on;	  /* REWRITE */
	bool wait;	  /* SHUTDOWN WAIT_FOR_CLIENTS */
	bool force, dry_run, no_view;
	const char *reason;    /* NULL: none */
	uint32_t max_stall_ms, timeout_ms; /* 0: not said */
};

/*
 * All of the statement. values: of its parameters, NULL for null; NULL: none
 * are known yet, and anything may stand in their place. Texts of the request
 * live in the arena or are those of the statement and the values.
 */
bool console_command_read(struct arena *arena, const struct console_statement *statement,
			  const char *const *values, struct console_request *request_out, struct error *error_out);

#endif
