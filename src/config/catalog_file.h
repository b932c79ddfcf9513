/*
 * What a catalog would say, written down in YAML, for `crossfade rewrite
 * --catalog`, tests and the embeddable library:
 *
 *   server_version: 150004
 *   database: aegis
 *   search_path: '"$user", public'
 *   schemas: [public, data]
 *   relations:
 *     data.prices: table
 *     data.prices_id_seq: {kind: sequence, owned_by: data.prices}
 *     data.instruments: {kind: table, columns: {code: varchar(10), name: text}}
 */
#ifndef CROSSFADE_CONFIG_CATALOG_FILE_H
#define CROSSFADE_CONFIG_CATALOG_FILE_H

#include "base/error.h"
#include "base/slice.h"
#include "model/facts.h"

bool catalog_file_parse(struct slice text, const char *file, struct facts **facts_out, struct error *error_out);
bool catalog_file_load(const char *path, struct facts **facts_out, struct error *error_out);

#endif
