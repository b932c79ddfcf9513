/*
 * `crossfade check --capture`: fills the columns of a map's transforms from
 * the live catalog into the text of its file. Everything else in the file,
 * comments and layout included, stays as it is.
 */
#ifndef CROSSFADE_CONFIG_MAP_CAPTURE_H
#define CROSSFADE_CONFIG_MAP_CAPTURE_H

#include "base/buf.h"
#include "base/error.h"
#include "model/facts.h"
#include "model/map.h"

/*
 * map is what text says. Lists that are there already are not touched.
 * filled_out counts the lists that were added. False when text cannot be read.
 */
bool map_capture(struct slice text, const struct map *map, const struct facts *facts, struct buf *out,
		 size_t *filled_out, struct error *error_out);

/* For whoever writes a map: a text, and a column's name in SQL's spelling, as YAML reads them back. */
void map_append_scalar(struct buf *out, const char *text);
void map_append_column(struct buf *out, const char *name);

#endif
