/* `crossfade serve`: runs the proxy, or with --check only says whether it would. */
#include "app/commands.h"
#include "app/server.h"

#include <argp.h>

struct serve_options {
	const char *config_path;
	bool check;
};

enum { OPTION_CHECK = 256 };

static const struct argp_option options[] = {
	COMMAND_OPTION_CONFIG,
	{ "check", OPTION_CHECK, NULL, 0, "Check configuration, map and flags, then exit: 0 when all is well, else 2",
	  0 },
	{ 0 },
};

static error_t on_option(int key, char *value, struct argp_state *state)
{
	struct serve_options *chosen = state->input;
	switch (key) {
	case 'c':
		chosen->config_path = value;
		return 0;
	case OPTION_CHECK:
		chosen->check = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument \"%s\"", value);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	.options = options,
	.parser = on_option,
	.doc = "Run the proxy in the foreground; events go to standard error.\v"
	       "SIGHUP reloads the configuration, map and flags, as does replacing one of the files. SIGTERM lets "
	       "sessions finish their transactions, SIGINT ends them at once. A reload that finds a mistake changes "
	       "nothing and logs why.",
};

static int fail(const struct error *error)
{
	error_print(error, stderr);
	return EXIT_USAGE;
}

int cmd_serve(int argc, char **argv)
{
	struct serve_options chosen = { 0 };
	struct settings settings;
	struct server *server;
	struct error error;
	argp_parse(&parser, argc, argv, 0, NULL, &chosen);
	if (!settings_load(chosen.config_path, &settings, &error))
		return fail(&error);
	log_setup(settings.log_level, settings.log_format);
	if (chosen.check) {
		bool ok = server_check(&settings, &error);
		if (ok)
			printf("%s: configuration, map and flags are in order\n", settings.file);
		settings_deinit(&settings);
		return ok ? EXIT_HOLDS : fail(&error);
	}
	if (!server_new(&settings, chosen.config_path, &server, &error))
		return fail(&error);
	int status = server_run(server);
	server_free(server);
	return status;
}
