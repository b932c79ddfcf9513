/* Whole files, read and replaced. */
#ifndef CROSSFADE_CONFIG_REPLACE_FILE_H
#define CROSSFADE_CONFIG_REPLACE_FILE_H

#include "base/buf.h"
#include "base/error.h"

/* Appends what is in the file. */
bool file_read(const char *path, struct buf *out, struct error *error_out);
/*
 * A new file beside it takes its place, so that no reader sees half of it; a
 * link stays a link, mode and owner stay where that is allowed.
 */
bool file_replace(const char *path, struct slice text, struct error *error_out);

#endif
