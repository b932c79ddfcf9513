/*
 * `crossfade status`, for exec probes: asks the proxy that the configuration
 * describes how it is: its http port or, without one, its console or, where
 * that does not let us in, as a client that only says hello.
 */
#include "app/commands.h"

#include "admin/probe.h"
#include "app/console_client.h"

#include <argp.h>
#include <stdlib.h>

enum { KEY_SERVER = 256, KEY_CONSOLE, TIMEOUT_MS = 3000 };

struct arguments {
	const char *config, *console;
	bool server;
};

static const struct argp_option options[] = {
	COMMAND_OPTION_CONFIG,
	{ "console", KEY_CONSOLE, "DSN", 0, "Ask this console, and nothing else", 0 },
	{ "server", KEY_SERVER, NULL, 0, "Also check that PostgreSQL can be reached", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	switch (key) {
	case 'c': arguments->config = value; break;
	case KEY_CONSOLE: arguments->console = value; break;
	case KEY_SERVER: arguments->server = true; break;
	case ARGP_KEY_ARG: argp_error(state, "unexpected argument: %s", value); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static bool say(const char *check, const struct endpoint *endpoint, bool ok, const char *text)
{
	struct buf place;
	buf_init(&place);
	endpoint_append(&place, endpoint);
	printf("%-4s %s at %s: %s\n", ok ? "ok" : "FAIL", check, buf_cstr(&place), text);
	buf_deinit(&place);
	return ok;
}

static bool check_http(const struct endpoint *endpoint, const char *check, const char *path)
{
	struct error error;
	char text[256];
	int status;
	if (!probe_http(endpoint->host, endpoint->port, path, TIMEOUT_MS, &status, text, &error))
		return say(check, endpoint, false, error.message);
	return say(check, endpoint, status == 200, text);
}

static bool check_postgres(const struct endpoint *endpoint, const char *check)
{
	struct error error;
	bool ok = probe_postgres(endpoint->host, endpoint->port, TIMEOUT_MS, &error);
	return say(check, endpoint, ok, ok ? "answers" : error.message);
}

static const char *stat_of(const struct console_client *client, const char *name)
{
	for (size_t row = 0; row < console_client_rows(client); row++) {
		const char *value = console_client_cell(client, row, 1);
		if (value && strcmp(console_client_cell(client, row, 0), name) == 0)
			return value;
	}
	return "unknown";
}

static bool ask_console(struct console_client *client, const char *place)
{
	struct error error;
	if (!console_client_run(client, "SHOW STATS", NULL, &error)) {
		printf("FAIL proxy at %s: %s\n", place, error.message);
		return false;
	}
	const char *phase = stat_of(client, "phase");
	bool ready = strcmp(phase, "ready") == 0, passing = strcmp(stat_of(client, "rewriting"), "off") == 0;
	printf("%-4s proxy at %s: %s%s\n", ready ? "ok" : "FAIL", place, phase, passing ? ", rewriting is OFF" : "");
	return ready;
}

enum answer { ANSWER_OK, ANSWER_FAIL, ANSWER_NONE };

/* ANSWER_NONE: it does not let us in, or is not there; others may know more. */
static enum answer check_console(const char *dsn, const char *place)
{
	struct console_client *client;
	struct error error;
	if (!console_client_open(dsn, TIMEOUT_MS / 1000, &client, &error))
		return ANSWER_NONE;
	bool ok = ask_console(client, place);
	console_client_free(client);
	return ok ? ANSWER_OK : ANSWER_FAIL;
}

static enum answer check_own_console(struct settings *settings)
{
	struct error unused;
	const char *dsn;
	if (!settings->console.endpoint_count || !console_client_dsn(settings, &settings->arena, &dsn, &unused))
		return ANSWER_NONE;
	struct buf place;
	buf_init(&place);
	endpoint_append(&place, &settings->console.endpoints[0]);
	enum answer answer = check_console(dsn, buf_cstr(&place));
	buf_deinit(&place);
	return answer;
}

static int check_this_console(const char *dsn)
{
	struct console_client *client;
	struct error error;
	if (!console_client_open(dsn, TIMEOUT_MS / 1000, &client, &error)) {
		printf("FAIL console: %s\n", error.message);
		return EXIT_HOLDS_NOT;
	}
	bool ok = ask_console(client, "the console");
	console_client_free(client);
	return ok ? EXIT_HOLDS : EXIT_HOLDS_NOT;
}

static bool check_proxy(struct settings *settings)
{
	if (settings->http.host)
		return check_http(&settings->http, "process", "/healthz") &&
		       check_http(&settings->http, "proxy", "/readyz");
	enum answer answer = check_own_console(settings);
	if (answer != ANSWER_NONE)
		return answer == ANSWER_OK;
	return check_postgres(&settings->listen.items[0].endpoint, "proxy");
}

static bool check_all(struct settings *settings, const struct arguments *arguments)
{
	bool ok = check_proxy(settings);
	if (arguments->server)
		ok = check_postgres(&settings->server, "server") && ok;
	return ok;
}

int cmd_status(int argc, char **argv)
{
	static const char doc[] = "Tells whether the running proxy is healthy, a line for each check.\v"
				  "Exits 0 when it is, 1 when it is not, 2 on bad usage or configuration.";
	static const struct argp argp = { options, parse_option, NULL, doc, NULL, NULL, NULL };
	struct arguments arguments = { 0 };
	struct settings settings;
	struct error error;
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
		return EXIT_USAGE;
	if (arguments.console)
		return check_this_console(arguments.console);
	if (!settings_load(arguments.config, &settings, &error)) {
		error_print(&error, stderr);
		return EXIT_USAGE;
	}
	bool ok = check_all(&settings, &arguments);
	settings_deinit(&settings);
	return ok && fflush(stdout) == 0 ? EXIT_HOLDS : EXIT_HOLDS_NOT;
}
