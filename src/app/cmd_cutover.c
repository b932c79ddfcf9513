/* `crossfade cutover`: moves tables in a running proxy, over its console, and prints what it says. */
#include "app/commands.h"
#include "app/console_client.h"
#include "base/buf.h"

#include <argp.h>
#include <string.h>

enum { KEY_GROUP = 256, KEY_REVERSE, KEY_DRY_RUN, KEY_TIMEOUT, KEY_MAX_STALL, KEY_NO_VIEW };

struct arguments {
	struct console_options console;
	const char *table, *group, *timeout, *max_stall;
	bool reverse, dry_run, no_view;
};

static const struct argp_option options[] = {
	{ "group", KEY_GROUP, "NAME", 0, "All tables of this group of the map, in one transaction", 0 },
	{ "reverse", KEY_REVERSE, NULL, 0, "Move back to the old name", 0 },
	{ "dry-run", KEY_DRY_RUN, NULL, 0, "Only check, and print the exact SQL and its locks", 0 },
	{ "timeout", KEY_TIMEOUT, "TIME", 0, "How long to try again and again (default 60s)", 0 },
	{ "max-stall", KEY_MAX_STALL, "TIME", 0, "How long one attempt may hold statements up (default 500ms)", 0 },
	{ "no-view", KEY_NO_VIEW, NULL, 0, "Leave no view under the old name", 0 },
	{ 0 },
};

static void check(const struct arguments *arguments, struct argp_state *state)
{
	if (!arguments->table == !arguments->group)
		argp_error(state, "one table, or --group with a name, is expected");
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &arguments->console; break;
	case KEY_GROUP: arguments->group = value; break;
	case KEY_REVERSE: arguments->reverse = true; break;
	case KEY_DRY_RUN: arguments->dry_run = true; break;
	case KEY_TIMEOUT: arguments->timeout = value; break;
	case KEY_MAX_STALL: arguments->max_stall = value; break;
	case KEY_NO_VIEW: arguments->no_view = true; break;
	case ARGP_KEY_ARG:
		if (arguments->table)
			argp_error(state, "one table is expected; tables that move together are a group of the map");
		arguments->table = value;
		break;
	case ARGP_KEY_END: check(arguments, state); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void append_literal(struct buf *out, const char *text)
{
	buf_append_byte(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buf_append_byte(out, '\'');
		buf_append_byte(out, (uint8_t)*text);
	}
	buf_append_byte(out, '\'');
}

static void append_option(struct buf *out, const char *words, const char *value)
{
	if (!value)
		return;
	buf_printf(out, " %s ", words);
	append_literal(out, value);
}

/* A table is a parameter: it is written as in SQL, with or without its schema. */
static void append_command(struct buf *out, const struct arguments *arguments)
{
	buf_append_str(out, arguments->reverse ? "REVERSE" : "CUTOVER");
	if (arguments->group)
		append_option(out, "GROUP", arguments->group);
	else
		buf_append_str(out, " $1");
	buf_append_str(out, arguments->dry_run ? " DRY RUN" : "");
	buf_append_str(out, arguments->no_view ? " NO VIEW" : "");
	append_option(out, "TIMEOUT", arguments->timeout);
	append_option(out, "MAX STALL", arguments->max_stall);
	buf_append_str(out, arguments->console.force ? " FORCE" : "");
	append_option(out, "REASON", arguments->console.reason);
}

static int run(struct console_client *client, const void *chosen)
{
	const struct arguments *arguments = chosen;
	const char *parameters[] = { arguments->table, NULL };
	struct error error;
	struct buf command;
	buf_init(&command);
	append_command(&command, arguments);
	console_client_print_to(client, stdout);
	bool ok = console_client_run(client, buf_cstr(&command), parameters, &error);
	buf_deinit(&command);
	fflush(stdout);
	if (ok)
		return EXIT_HOLDS;
	error_print(&error, stderr);
	return console_client_exit_status(&error);
}

int cmd_cutover(int argc, char **argv)
{
	static const char doc[] =
		"Moves a table, or a group of tables, to its new name under traffic, and with --reverse back, in a running "
		"proxy, over its console.\v"
		"Statements on the table wait for a moment and none fails. Whoever is in the way is named. Ctrl-C gives it up; "
		"nothing has changed then.\n\n"
		"Exits 0 when the tables are there, 1 when nothing has changed or the console cannot be reached, 2 on bad "
		"usage or configuration.";
	static const struct argp_child children[] = { { &console_options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { options, parse_option, "TABLE\n--group=NAME", doc, children, NULL, NULL };
	struct arguments arguments = { 0 };
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
		return EXIT_USAGE;
	return console_client_command(&arguments.console, run, &arguments);
}
