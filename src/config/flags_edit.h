/*
 * Changing one stage in the text of a flags file: everything else, comments
 * included, stays as people wrote it.
 */
#ifndef CROSSFADE_CONFIG_FLAGS_EDIT_H
#define CROSSFADE_CONFIG_FLAGS_EDIT_H

#include "model/ruleset.h"

/*
 * Appends the changed text. It is read again before it is handed out: what it
 * says is what the old text said, but for this table. False: the text is no
 * flags file, or is written in a way that cannot be changed so.
 */
bool flags_edit(struct slice text, const char *file, struct rel_name table, enum stage stage, struct buf *out,
		struct error *error_out);

#endif
