/*
 * `crossfade status`, for exec probes: asks the proxy that the configuration
 * describes how it is, over its http port or, without one, as a client that
 * only says hello.
 */
#include "app/commands.h"

#include "admin/probe.h"
#include "app/settings.h"

#include <argp.h>
#include <stdlib.h>

enum { KEY_SERVER = 256, TIMEOUT_MS = 3000 };

struct arguments {
	const char *config;
	bool server;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "Configuration (default ./crossfade.yaml, then /etc/crossfade/crossfade.yaml)", 0 },
	{ "server", KEY_SERVER, NULL, 0, "Also check that PostgreSQL can be reached", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	switch (key) {
	case 'c': arguments->config = value; break;
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

static bool check_all(const struct settings *settings, const struct arguments *arguments)
{
	bool ok;
	if (settings->http.host) {
		ok = check_http(&settings->http, "process", "/healthz");
		ok = ok && check_http(&settings->http, "proxy", "/readyz");
	} else {
		ok = check_postgres(&settings->listen.items[0].endpoint, "proxy");
	}
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
	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
		return EXIT_USAGE;
	if (!settings_load(arguments.config, &settings, &error)) {
		error_print(&error, stderr);
		return EXIT_USAGE;
	}
	bool ok = check_all(&settings, &arguments);
	settings_deinit(&settings);
	return ok && fflush(stdout) == 0 ? EXIT_HOLDS : EXIT_HOLDS_NOT;
}
