/* flags.yaml: the stage of each table that has one. */
#ifndef CROSSFADE_CONFIG_FLAGS_FILE_H
#define CROSSFADE_CONFIG_FLAGS_FILE_H

#include "model/ruleset.h"

/* Everything flags_out points to lies in the arena. Whether the tables are in the map is the ruleset's to say. */
bool flags_file_parse(struct slice text, const char *file, struct arena *arena, struct flags *flags_out,
		      struct error *error_out);
bool flags_file_load(const char *path, struct arena *arena, struct flags *flags_out, struct error *error_out);

#endif
