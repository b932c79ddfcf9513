/*
 * The subcommands. Each takes argv with the command's name first, returns the
 * process's exit status: 0 success, 1 what it checks does not hold, 2 bad
 * usage or configuration.
 */
#ifndef CROSSFADE_APP_COMMANDS_H
#define CROSSFADE_APP_COMMANDS_H

enum { EXIT_HOLDS = 0, EXIT_HOLDS_NOT = 1, EXIT_USAGE = 2 };

/* A row of argp's options that all commands have. */
#define COMMAND_OPTION_CONFIG                                                                                      \
	{                                                                                                          \
		"config", 'c', "FILE", 0,                                                                          \
			"Configuration (default ./crossfade.yaml, then /etc/crossfade/crossfade.yaml)", 0          \
	}

int commands_run(int argc, char **argv);

int cmd_check(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_cutover(int argc, char **argv);
int cmd_flags(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_rewrite(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_status(int argc, char **argv);

#endif
