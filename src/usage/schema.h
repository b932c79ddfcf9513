/*
 * What the ledger's file holds, as documented in docs/usage.md, which is an
 * interface: people query it themselves. Its version is in PRAGMA
 * user_version and in the table meta; its application_id says whose it is.
 * A change is a new version with a migration from the one before.
 */
#ifndef CROSSFADE_USAGE_SCHEMA_H
#define CROSSFADE_USAGE_SCHEMA_H

#include "base/error.h"

#include <sqlite3.h>

enum { USAGE_SCHEMA_VERSION = 3 };

/* Ids of the rows that stand for what there was no room for. */
enum { USAGE_OTHER_ID = 0 };

/* Creates or migrates. False when the file is no ledger, or one of a later version. */
bool usage_schema_prepare(sqlite3 *db, const char *path, struct error *error_out);
/* What usage_schema_prepare would say, from reading only. */
bool usage_schema_may_open(sqlite3 *db, const char *path, struct error *error_out);
/* For readers: false unless the file is a ledger of this very version. */
bool usage_schema_check(sqlite3 *db, const char *path, struct error *error_out);

/* Fills error_out from the handle's last error. db may be NULL (no memory). */
void usage_schema_error(sqlite3 *db, const char *path, const char *doing, struct error *error_out);

#endif
