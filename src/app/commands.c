#include "app/commands.h"

#include "shared/shared.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{ "serve", "run the proxy", cmd_serve },
	{ "status", "tell whether the running proxy is healthy, for probes", cmd_status },
	{ "rewrite", "rewrite SQL from standard input, without any server", cmd_rewrite },
	{ "flags", "show and set the stages of tables in a running proxy", cmd_flags },
	{ "cutover", "move a table to its new name under traffic, and back", cmd_cutover },
	{ "report", "show which old paths are still in use", cmd_report },
	{ "check", "compare the map with the live database, or fill it in from there", cmd_check },
	{ "config", "print every configuration key with its default", cmd_config },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void print_help(FILE *stream)
{
	fprintf(stream,
		"Usage: crossfade COMMAND [OPTION...]\n"
		"A PostgreSQL proxy that lets a schema and the code that uses it move independently.\n\n"
		"Commands:\n");
	for (int i = 0; i < COMMAND_COUNT; i++)
		fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fprintf(stream, "\n`crossfade COMMAND --help` tells more about a command; man crossfade about all.\n");
}

static const struct command *find_command(const char *name)
{
	for (int i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

int commands_run(int argc, char **argv)
{
	argp_err_exit_status = EXIT_USAGE;
	usage_shared_set(shared_ops());
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return EXIT_HOLDS;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("crossfade %s\n", CROSSFADE_VERSION);
		return EXIT_HOLDS;
	}
	const struct command *command = find_command(argv[1]);
	if (!command) {
		fprintf(stderr, "crossfade: there is no command \"%s\"\n\n", argv[1]);
		print_help(stderr);
		return EXIT_USAGE;
	}
	char name[64]; /* argp prints argv[0] in usage lines */
	snprintf(name, sizeof(name), "crossfade %s", command->name);
	argv[1] = name;
	return command->run(argc - 1, argv + 1);
}
