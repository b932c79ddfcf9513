/* The binary is a table of commands; each lives in src/app/cmd_<name>.c. */
#include "app/commands.h"

int main(int argc, char **argv)
{
	return commands_run(argc, argv);
}
