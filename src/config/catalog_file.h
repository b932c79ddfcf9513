/*
 * A catalog written down as YAML (docs/configuration.md "A catalog without a
 * server"), for `crossfade rewrite --catalog FILE` and tests: what catalog/
 * would find in a live database.
 */
#ifndef CROSSFADE_CONFIG_CATALOG_FILE_H
#define CROSSFADE_CONFIG_CATALOG_FILE_H

#include "base/buf.h"
#include "base/error.h"
#include "model/facts.h"

bool catalog_file_parse(struct slice text, const char *file, struct facts **facts_out, struct error *error_out);
bool catalog_file_load(const char *path, struct facts **facts_out, struct error *error_out);

/* As a file that loads to the same facts, but for OIDs, which mean something to one server only. */
void catalog_file_write(const struct facts *facts, struct buf *out);

#endif
