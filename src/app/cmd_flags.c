/* `crossfade flags`: the stages of a running proxy, shown and set over its console. */
#include "app/commands.h"
#include "app/console_client.h"
#include "app/text_table.h"

#include <argp.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { KEY_FORMAT = 256 };
enum { WORDS_MAX = 3 };

struct arguments {
	struct console_options console;
	bool json;
	const char *words[WORDS_MAX];
	size_t word_count;
};

static const struct argp_option options[] = {
	{ "format", KEY_FORMAT, "FORMAT", 0, "text (default) or json", 0 },
	{ 0 },
};

static void take_format(struct arguments *arguments, const char *value, struct argp_state *state)
{
	arguments->json = strcmp(value, "json") == 0;
	if (!arguments->json && strcmp(value, "text") != 0)
		argp_error(state, "the format is text or json, not \"%s\"", value);
}

static bool is_word(const struct arguments *arguments, const char *word)
{
	return arguments->word_count && strcmp(arguments->words[0], word) == 0;
}

static void check(const struct arguments *arguments, struct argp_state *state)
{
	bool set = is_word(arguments, "set");
	if (!set && !is_word(arguments, "list") && !is_word(arguments, "history"))
		argp_error(state, "list, set or history is expected");
	else if (set && arguments->word_count != 3)
		argp_error(state, "set needs a table and a stage");
	else if (is_word(arguments, "list") && arguments->word_count > 1)
		argp_error(state, "list takes no argument");
	else if (is_word(arguments, "history") && arguments->word_count > 2)
		argp_error(state, "history takes one table at most");
	else if (!set && (arguments->console.force || arguments->console.reason))
		argp_error(state, "--force and --reason are for set");
	else if (set && arguments->json)
		argp_error(state, "--format is for list and history");
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &arguments->console; break;
	case KEY_FORMAT: take_format(arguments, value, state); break;
	case ARGP_KEY_ARG:
		if (arguments->word_count == WORDS_MAX)
			argp_error(state, "unexpected argument: %s", value);
		else
			arguments->words[arguments->word_count++] = value;
		break;
	case ARGP_KEY_END: check(arguments, state); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* ---- output ---- */

static unsigned terminal_width(void)
{
	struct winsize size;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 4000;
}

static bool put_out(const struct buf *out)
{
	return fwrite(out->data, 1, out->len, stdout) == out->len && fflush(stdout) == 0;
}

/* Columns that say nothing in any row are left out. */
static bool is_empty(const struct console_client *client, size_t column)
{
	for (size_t row = 0; row < console_client_rows(client); row++) {
		if (console_client_cell(client, row, column))
			return false;
	}
	return true;
}

static size_t choose_columns(const struct console_client *client, const char *const *wanted, size_t *chosen_out)
{
	size_t count = 0;
	for (; *wanted; wanted++) {
		for (size_t column = 0; column < console_client_columns(client); column++) {
			if (strcmp(console_client_column(client, column), *wanted) == 0 && !is_empty(client, column))
				chosen_out[count++] = column;
		}
	}
	return count;
}

static bool print_text(const struct console_client *client, const char *const *wanted)
{
	struct text_column columns[TEXT_TABLE_COLUMNS] = { 0 };
	const char *cells[TEXT_TABLE_COLUMNS];
	size_t chosen[TEXT_TABLE_COLUMNS];
	struct text_table table;
	struct arena arena;
	struct buf out;
	arena_init(&arena);
	buf_init(&out);
	size_t count = choose_columns(client, wanted, chosen);
	if (count)
		columns[count - 1].elastic = true;
	text_table_init(&table, &arena, columns, count);
	for (size_t i = 0; i < count; i++)
		cells[i] = console_client_column(client, chosen[i]);
	text_table_add(&table, cells);
	for (size_t row = 0; row < console_client_rows(client); row++) {
		for (size_t i = 0; i < count; i++) {
			const char *cell = console_client_cell(client, row, chosen[i]);
			cells[i] = cell ? cell : "";
		}
		text_table_add(&table, cells);
	}
	if (console_client_rows(client))
		text_table_print(&table, 0, terminal_width(), &out);
	else
		buf_append_str(&out, "nothing yet\n");
	bool ok = put_out(&out);
	buf_deinit(&out);
	arena_deinit(&arena);
	return ok;
}

static bool print_json(const struct console_client *client)
{
	json_t *rows = json_array();
	for (size_t row = 0; row < console_client_rows(client); row++) {
		json_t *object = json_object();
		for (size_t column = 0; column < console_client_columns(client); column++) {
			const char *cell = console_client_cell(client, row, column);
			const char *name = console_client_column(client, column);
			if (strcmp(name, "forced") == 0)
				json_object_set_new(object, name, json_boolean(cell && *cell == 't'));
			else
				json_object_set_new(object, name, cell ? json_string(cell) : json_null());
		}
		json_array_append_new(rows, object);
	}
	bool ok = json_dumpf(rows, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF && fflush(stdout) == 0;
	json_decref(rows);
	return ok;
}

/* ---- the three ---- */

static bool run_set(struct console_client *client, const struct arguments *arguments, struct error *error_out)
{
	const char *parameters[4] = { arguments->words[1], arguments->words[2], arguments->console.reason, NULL };
	const char *command = !arguments->console.reason ? "SET FLAG $1 TO $2" :
			      arguments->console.force   ? "SET FLAG $1 TO $2 FORCE REASON $3" :
						   "SET FLAG $1 TO $2 REASON $3";
	return console_client_run(client, command, parameters, error_out);
}

static bool run_show(struct console_client *client, const struct arguments *arguments, struct error *error_out)
{
	const char *parameters[2] = { arguments->words[1], NULL };
	if (is_word(arguments, "list"))
		return console_client_run(client, "SHOW FLAGS", NULL, error_out);
	return console_client_run(client, arguments->words[1] ? "SHOW HISTORY $1" : "SHOW HISTORY", parameters, error_out);
}

static int run(struct console_client *client, const void *chosen)
{
	const struct arguments *arguments = chosen;
	static const char *const list[] = { "database", "table", "stage", "changed_at", "changed_by", "reason", NULL };
	static const char *const history[] = { "at", "who", "action", "table", "from", "to", "outcome", "reason", NULL };
	struct error error;
	bool set = is_word(arguments, "set"), ok;
	if (!(set ? run_set(client, arguments, &error) : run_show(client, arguments, &error))) {
		error_print(&error, stderr);
		return console_client_exit_status(&error);
	}
	if (set)
		ok = printf("%s is at stage %s\n", arguments->words[1], arguments->words[2]) > 0;
	else
		ok = arguments->json ? print_json(client) : print_text(client, is_word(arguments, "list") ? list : history);
	return ok ? EXIT_HOLDS : EXIT_HOLDS_NOT;
}

int cmd_flags(int argc, char **argv)
{
	static const char doc[] =
		"Shows and sets the stages of tables in a running proxy, over its console.\v"
		"list: the stage of every table, and who set it. set TABLE STAGE: puts a table at a stage; the flags file is "
		"changed with it. history [TABLE]: every change, newest first.\n\n"
		"Exits 0 on success, 1 when the change is refused or the console cannot be reached, 2 on bad usage or "
		"configuration.";
	static const struct argp_child children[] = { { &console_options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { options, parse_option, "list\nset TABLE STAGE\nhistory [TABLE]", doc, children, NULL, NULL };
	struct arguments arguments = { 0 };
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
		return EXIT_USAGE;
	return console_client_command(&arguments.console, run, &arguments);
}
