/* The map's YAML file (docs/configuration.md "The map") as a struct map. */
#ifndef CROSSFADE_CONFIG_MAP_FILE_H
#define CROSSFADE_CONFIG_MAP_FILE_H

#include "base/slice.h"
#include "model/map.h"

/* file: the name that messages give; the text is not kept. */
bool map_file_parse(struct slice text, const char *file, struct map **map_out, struct error *error_out);
bool map_file_load(const char *path, struct map **map_out, struct error *error_out);

#endif
