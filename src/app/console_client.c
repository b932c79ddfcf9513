#include "app/console_client.h"

#include "app/commands.h"
#include "base/memory.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

enum { PARAMETERS_MAX = 16 };

struct console_client {
	PGconn *connection;
	PGresult *result;
	FILE *progress;
};

/* ---- connecting ---- */

bool console_client_dsn(const struct settings *settings, struct arena *arena, const char **dsn_out,
			struct error *error_out)
{
	if (!settings->console.endpoint_count) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "the configuration has no console");
		error_hint(error_out, "Add `console: {listen: [run]}` and restart crossfade, or say where with --console DSN.");
		error_at(error_out, settings->file, 0, 0);
		return false;
	}
	const struct endpoint *endpoint = &settings->console.endpoints[0];
	const char *host = strcmp(endpoint->host, "*") == 0 ? "localhost" : endpoint->host;
	*dsn_out = arena_printf(arena, "host='%s' port=%u", host, endpoint->port);
	return true;
}

static void print_notice(void *context, const PGresult *notice)
{
	const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(notice, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(notice, PG_DIAG_MESSAGE_HINT);
	struct console_client *client = context;
	bool info = !severity || strcmp(severity, "INFO") == 0;
	FILE *stream = info ? client->progress : stderr;
	fprintf(stream, "%s%s%s\n", info ? "" : severity, info ? "" : ": ", message ? message : "");
	fflush(stream);
	if (detail)
		fprintf(stderr, "DETAIL:  %s\n", detail);
	if (hint)
		fprintf(stderr, "HINT:  %s\n", hint);
}

/* libpq's text may have several lines; the last is the server's own word. */
static bool fail_connection(PGconn *connection, const char *dsn, struct error *error_out)
{
	const char *text = PQerrorMessage(connection);
	size_t len = strlen(text);
	while (len && text[len - 1] == '\n')
		len--;
	error_set(error_out, SQLSTATE_CONNECTION_FAILURE, "cannot reach the console: %.*s", (int)len, text);
	error_hint(error_out, "Is crossfade running with this configuration, and does `console` let you in?");
	PQfinish(connection);
	return false;
}

static bool names_database(const char *dsn)
{
	PQconninfoOption *options = PQconninfoParse(dsn, NULL);
	bool found = false;
	for (const PQconninfoOption *option = options; option && option->keyword; option++)
		found |= strcmp(option->keyword, "dbname") == 0 && option->val && option->val[0];
	PQconninfoFree(options);
	return found;
}

bool console_client_open(const char *dsn, unsigned timeout_s, struct console_client **client_out,
			 struct error *error_out)
{
	char timeout[16];
	const char *keys[8] = { "dbname", "fallback_application_name", "client_encoding" };
	const char *values[8] = { dsn, "crossfade", "UTF8" };
	size_t count = 3;
	snprintf(timeout, sizeof(timeout), "%u", timeout_s);
	if (timeout_s) {
		keys[count] = "connect_timeout";
		values[count++] = timeout;
	}
	if (!names_database(dsn)) { /* only the first dbname may be a connection string */
		keys[count] = "dbname";
		values[count++] = "crossfade";
	}
	PGconn *connection = PQconnectdbParams(keys, values, 1);
	if (PQstatus(connection) != CONNECTION_OK)
		return fail_connection(connection, dsn, error_out);
	struct console_client *client = memory_zalloc(sizeof(*client));
	client->connection = connection;
	client->progress = stderr;
	PQsetNoticeReceiver(connection, print_notice, client);
	*client_out = client;
	return true;
}

static bool open_chosen(const char *config_path, const char *dsn, struct console_client **client_out,
			struct error *error_out)
{
	struct settings settings;
	if (dsn)
		return console_client_open(dsn, 0, client_out, error_out);
	if (!settings_load(config_path, &settings, error_out))
		return false;
	bool ok = console_client_dsn(&settings, &settings.arena, &dsn, error_out) &&
		  console_client_open(dsn, 0, client_out, error_out);
	settings_deinit(&settings);
	return ok;
}

void console_client_print_to(struct console_client *client, FILE *stream)
{
	client->progress = stream;
}

void console_client_free(struct console_client *client)
{
	if (!client)
		return;
	PQclear(client->result);
	PQfinish(client->connection);
	free(client);
}

/* ---- commands ---- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	interrupted = 1;
}

static void pass_cancel(PGconn *connection)
{
	char unused[256];
	PGcancel *cancel = PQgetCancel(connection);
	if (cancel)
		PQcancel(cancel, unused, sizeof(unused));
	PQfreeCancel(cancel);
}

/* False: the connection broke. */
static bool await_answer(PGconn *connection)
{
	bool cancelled = false;
	while (PQisBusy(connection)) {
		struct pollfd entry = { .fd = PQsocket(connection), .events = POLLIN };
		int ready = poll(&entry, 1, 1000);
		if (interrupted && !cancelled) {
			cancelled = true;
			pass_cancel(connection);
		}
		if (ready > 0 && !PQconsumeInput(connection))
			return false;
		if (ready < 0 && errno != EINTR)
			return false;
	}
	return true;
}

static PGresult *last_result(PGconn *connection)
{
	PGresult *last = NULL, *next;
	while (await_answer(connection) && (next = PQgetResult(connection))) {
		PQclear(last);
		last = next;
	}
	return last;
}

static PGresult *send_and_wait(PGconn *connection, const char *command, const char *const *parameters)
{
	struct sigaction fresh = { .sa_handler = on_interrupt }, before;
	PGresult *result = NULL;
	int count = 0;
	while (parameters && count < PARAMETERS_MAX && parameters[count])
		count++;
	interrupted = 0;
	sigaction(SIGINT, &fresh, &before);
	if (PQsendQueryParams(connection, command, count, NULL, parameters, NULL, NULL, 0))
		result = last_result(connection);
	sigaction(SIGINT, &before, NULL);
	return result;
}

static const char *field_of(const PGresult *result, int code)
{
	const char *text = PQresultErrorField(result, code);
	return text ? text : "";
}

static bool fail_command(struct console_client *client, struct error *error_out)
{
	const PGresult *result = client->result;
	const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	if (!sqlstate) {
		error_set(error_out, SQLSTATE_CONNECTION_FAILURE, "the console is gone: %s",
			  PQerrorMessage(client->connection));
		return false;
	}
	error_set(error_out, sqlstate, "%s", field_of(result, PG_DIAG_MESSAGE_PRIMARY));
	error_detail(error_out, "%s", field_of(result, PG_DIAG_MESSAGE_DETAIL));
	error_hint(error_out, "%s", field_of(result, PG_DIAG_MESSAGE_HINT));
	return false;
}

bool console_client_run(struct console_client *client, const char *command, const char *const *parameters,
			struct error *error_out)
{
	PQclear(client->result);
	client->result = send_and_wait(client->connection, command, parameters);
	ExecStatusType status = PQresultStatus(client->result);
	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || fail_command(client, error_out);
}

size_t console_client_rows(const struct console_client *client)
{
	return (size_t)PQntuples(client->result);
}

size_t console_client_columns(const struct console_client *client)
{
	return (size_t)PQnfields(client->result);
}

const char *console_client_column(const struct console_client *client, size_t column)
{
	return PQfname(client->result, (int)column);
}

const char *console_client_cell(const struct console_client *client, size_t row, size_t column)
{
	return PQgetisnull(client->result, (int)row, (int)column) ? NULL :
								    PQgetvalue(client->result, (int)row, (int)column);
}

/* Class 42 tells of commands that are wrong, but for what a database is like: privileges, and names that are taken. */
static bool is_usage(const char *sqlstate)
{
	static const char *const others[] = { "42501", "42P07", "42701", "42710", "42809" };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(sqlstate, others[i]) == 0)
			return false;
	}
	return strncmp(sqlstate, "42", 2) == 0;
}

int console_client_exit_status(const struct error *error)
{
	bool usage = is_usage(error->sqlstate);
	return usage || strcmp(error->sqlstate, SQLSTATE_CONFIG_FILE_ERROR) == 0 ? EXIT_USAGE : EXIT_HOLDS_NOT;
}

/* ---- subcommands ---- */

enum { KEY_CONSOLE = 0x1000, KEY_REASON, KEY_FORCE }; /* none of a subcommand's own */

static const struct argp_option option_rows[] = {
	COMMAND_OPTION_CONFIG,
	{ "console", KEY_CONSOLE, "DSN", 0, "The console to speak to (default: the one of the configuration)", 0 },
	{ "reason", KEY_REASON, "TEXT", 0, "Why, for the journal", 0 },
	{ "force", KEY_FORCE, NULL, 0, "Against the rules of stages, and past proxies that are out of reach; needs --reason", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct console_options *options = state->input;
	switch (key) {
	case 'c': options->config = value; break;
	case KEY_CONSOLE: options->console = value; break;
	case KEY_REASON: options->reason = value; break;
	case KEY_FORCE: options->force = true; break;
	case ARGP_KEY_END:
		if (options->force && !options->reason)
			argp_error(state, "--force needs --reason");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp console_options_argp = { option_rows, parse_option, NULL, NULL, NULL, NULL, NULL };

int console_client_command(const struct console_options *options,
			   int (*run)(struct console_client *client, const void *arguments), const void *arguments)
{
	struct console_client *client;
	struct error error;
	if (!open_chosen(options->config, options->console, &client, &error)) {
		error_print(&error, stderr);
		return console_client_exit_status(&error);
	}
	int status = run(client, arguments);
	console_client_free(client);
	return status;
}
