/* `crossfade config`: the configuration explained, or as it is in force. */
#ifndef CROSSFADE_APP_CMD_CONFIG_H
#define CROSSFADE_APP_CMD_CONFIG_H

/* argv[0] is the name that usage messages give. Returns the exit code. */
int cmd_config(int argc, char **argv);

#endif
