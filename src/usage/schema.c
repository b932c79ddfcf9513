#include "usage/schema.h"

#include "base/memory.h"

#include <stdlib.h>

/* "CFul": crossfade's usage ledger. */
enum { APPLICATION_ID = 0x4346756c };

/* Views that a migration drops and makes again. */
#define VIEW_BY_TABLE \
	"CREATE VIEW usage_by_table AS SELECT e.table_name, u.side, u.kind," \
	" sum(u.ok_count + u.error_count + u.refused_count) AS count," \
	" count(DISTINCT i.application) AS applications," \
	" strftime('%Y-%m-%dT%H:%M:%SZ', min(u.first_ms) / 1000, 'unixepoch') AS first_seen," \
	" strftime('%Y-%m-%dT%H:%M:%SZ', max(u.last_ms) / 1000, 'unixepoch') AS last_seen" \
	" FROM uses u JOIN entries e ON e.id = u.entry JOIN identities i ON i.id = u.identity" \
	" GROUP BY e.table_name, u.side, u.kind;"
#define VIEW_BY_HOUR \
	"CREATE VIEW usage_by_hour AS SELECT strftime('%Y-%m-%dT%H:%M:%SZ', b.start_s, 'unixepoch') AS start," \
	" b.hours, e.table_name, u.side, u.kind, i.database, i.user, i.application, i.address," \
	" b.ok_count + b.error_count + b.refused_count AS count, s.text AS statement FROM" \
	" (SELECT 1 AS hours, * FROM hours UNION ALL SELECT 24, * FROM days) b" \
	" JOIN uses u ON u.id = b.use JOIN entries e ON e.id = u.entry JOIN identities i ON i.id = u.identity" \
	" JOIN statements s ON s.id = u.statement;"

static const char version_1[] =
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
	"INSERT INTO meta VALUES ('created', strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),"
	" ('created_by', 'crossfade " CROSSFADE_VERSION "');"

	"CREATE TABLE entries (id INTEGER PRIMARY KEY, table_name TEXT NOT NULL UNIQUE, new_name TEXT, stage TEXT,"
	" declared_ms INTEGER, withdrawn_ms INTEGER);"

	"CREATE TABLE identities (id INTEGER PRIMARY KEY, database TEXT NOT NULL, user TEXT NOT NULL,"
	" application TEXT NOT NULL, address TEXT NOT NULL, UNIQUE (database, user, application, address));"
	"INSERT INTO identities VALUES (0, '(other)', '(other)', '(other)', '(other)');"

	"CREATE TABLE statements (id INTEGER PRIMARY KEY, hash INTEGER NOT NULL UNIQUE, text TEXT NOT NULL);"
	"INSERT INTO statements VALUES (0, 0, '(other)');"

	"CREATE TABLE uses (id INTEGER PRIMARY KEY,"
	" entry INTEGER NOT NULL REFERENCES entries, side TEXT NOT NULL, kind TEXT NOT NULL,"
	" identity INTEGER NOT NULL REFERENCES identities, statement INTEGER NOT NULL REFERENCES statements,"
	" rewritten INTEGER NOT NULL, refused INTEGER NOT NULL, unparsed INTEGER NOT NULL,"
	" ok_count INTEGER NOT NULL, error_count INTEGER NOT NULL, refused_count INTEGER NOT NULL,"
	" row_count INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
	" UNIQUE (entry, statement, identity, side, kind, rewritten, refused, unparsed));"
	"CREATE INDEX uses_statement ON uses (statement);"

	"CREATE TABLE hours (start_s INTEGER NOT NULL, use INTEGER NOT NULL REFERENCES uses,"
	" ok_count INTEGER NOT NULL, error_count INTEGER NOT NULL, refused_count INTEGER NOT NULL,"
	" row_count INTEGER NOT NULL, PRIMARY KEY (start_s, use)) WITHOUT ROWID;"
	"CREATE TABLE days (start_s INTEGER NOT NULL, use INTEGER NOT NULL REFERENCES uses,"
	" ok_count INTEGER NOT NULL, error_count INTEGER NOT NULL, refused_count INTEGER NOT NULL,"
	" row_count INTEGER NOT NULL, PRIMARY KEY (start_s, use)) WITHOUT ROWID;"

	"CREATE TABLE observations (id INTEGER PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL,"
	" version TEXT NOT NULL, started_ms INTEGER NOT NULL, heartbeat_ms INTEGER NOT NULL, stopped_ms INTEGER,"
	" lost INTEGER NOT NULL DEFAULT 0, broken_off INTEGER NOT NULL DEFAULT 0);"

	"CREATE VIEW usage AS SELECT e.table_name, e.new_name, u.side, u.kind, i.database, i.user, i.application,"
	" i.address, u.ok_count + u.error_count + u.refused_count AS count, u.ok_count, u.error_count,"
	" u.refused_count, u.row_count, u.rewritten, u.refused, u.unparsed,"
	" strftime('%Y-%m-%dT%H:%M:%SZ', u.first_ms / 1000, 'unixepoch') AS first_seen,"
	" strftime('%Y-%m-%dT%H:%M:%SZ', u.last_ms / 1000, 'unixepoch') AS last_seen, s.text AS statement"
	" FROM uses u JOIN entries e ON e.id = u.entry JOIN identities i ON i.id = u.identity"
	" JOIN statements s ON s.id = u.statement;"

	VIEW_BY_TABLE VIEW_BY_HOUR

	"CREATE VIEW observed AS SELECT id, host, pid, version,"
	" strftime('%Y-%m-%dT%H:%M:%SZ', started_ms / 1000, 'unixepoch') AS started,"
	" strftime('%Y-%m-%dT%H:%M:%SZ', coalesce(stopped_ms, heartbeat_ms) / 1000, 'unixepoch') AS until,"
	" CASE WHEN stopped_ms IS NOT NULL THEN 'stopped'"
	"  WHEN NOT broken_off AND heartbeat_ms > strftime('%s', 'now') * 1000 - 30000 THEN 'running' ELSE 'broken off' END AS state,"
	" lost FROM observations;";

/* Where in an application's code a statement comes from, columns, what the next stage would do, flips. */
static const char version_2[] =
	"DROP VIEW usage; DROP VIEW usage_by_table; DROP VIEW usage_by_hour;"

	"CREATE TABLE identities_2 (id INTEGER PRIMARY KEY, database TEXT NOT NULL, user TEXT NOT NULL,"
	" application TEXT NOT NULL, address TEXT NOT NULL, controller TEXT NOT NULL DEFAULT '',"
	" route TEXT NOT NULL DEFAULT '', action TEXT NOT NULL DEFAULT '',"
	" UNIQUE (database, user, application, address, controller, route, action));"
	"INSERT INTO identities_2 SELECT id, database, user, application, address, '', '', '' FROM identities;"
	"DROP TABLE identities; ALTER TABLE identities_2 RENAME TO identities;"

	"CREATE TABLE column_uses (entry INTEGER NOT NULL REFERENCES entries, side TEXT NOT NULL,"
	" column_name TEXT NOT NULL, identity INTEGER NOT NULL REFERENCES identities, count INTEGER NOT NULL,"
	" first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
	" PRIMARY KEY (entry, side, column_name, identity)) WITHOUT ROWID;"
	"CREATE TABLE statement_columns (statement INTEGER NOT NULL REFERENCES statements,"
	" entry INTEGER NOT NULL REFERENCES entries, side TEXT NOT NULL, column_name TEXT NOT NULL,"
	" PRIMARY KEY (statement, entry, side, column_name)) WITHOUT ROWID;"

	"CREATE TABLE forecasts (statement INTEGER NOT NULL REFERENCES statements,"
	" entry INTEGER NOT NULL REFERENCES entries, side TEXT NOT NULL, stage TEXT NOT NULL, outcome TEXT NOT NULL,"
	" reason TEXT, made_ms INTEGER NOT NULL, PRIMARY KEY (statement, entry, side)) WITHOUT ROWID;"

	"CREATE TABLE flips (id INTEGER PRIMARY KEY, entry INTEGER NOT NULL REFERENCES entries,"
	" at_ms INTEGER NOT NULL, from_stage TEXT NOT NULL, to_stage TEXT NOT NULL);"
	"ALTER TABLE entries ADD COLUMN deprecated TEXT;"

	"CREATE VIEW usage AS SELECT e.table_name, e.new_name, u.side, u.kind, i.database, i.user, i.application,"
	" i.address, i.controller, i.route, i.action,"
	" u.ok_count + u.error_count + u.refused_count AS count, u.ok_count, u.error_count,"
	" u.refused_count, u.row_count, u.rewritten, u.refused, u.unparsed,"
	" strftime('%Y-%m-%dT%H:%M:%SZ', u.first_ms / 1000, 'unixepoch') AS first_seen,"
	" strftime('%Y-%m-%dT%H:%M:%SZ', u.last_ms / 1000, 'unixepoch') AS last_seen, s.text AS statement"
	" FROM uses u JOIN entries e ON e.id = u.entry JOIN identities i ON i.id = u.identity"
	" JOIN statements s ON s.id = u.statement;"

	VIEW_BY_TABLE VIEW_BY_HOUR

	"CREATE VIEW usage_by_column AS SELECT e.table_name, c.side, c.column_name, i.database, i.user,"
	" i.application, c.count,"
	" strftime('%Y-%m-%dT%H:%M:%SZ', c.first_ms / 1000, 'unixepoch') AS first_seen,"
	" strftime('%Y-%m-%dT%H:%M:%SZ', c.last_ms / 1000, 'unixepoch') AS last_seen"
	" FROM column_uses c JOIN entries e ON e.id = c.entry JOIN identities i ON i.id = c.identity;"

	"CREATE VIEW next_stage AS SELECT e.table_name, f.side, e.stage, f.stage AS next_stage, f.outcome, f.reason,"
	" s.text AS statement FROM forecasts f JOIN entries e ON e.id = f.entry"
	" JOIN statements s ON s.id = f.statement;"

	"CREATE VIEW recent_flips AS SELECT strftime('%Y-%m-%dT%H:%M:%SZ', f.at_ms / 1000, 'unixepoch') AS at,"
	" e.table_name, f.from_stage, f.to_stage FROM flips f JOIN entries e ON e.id = f.entry;";

/* Sessions that came past the proxy. */
static const char version_3[] =
	"CREATE TABLE bypasses (id INTEGER PRIMARY KEY, database TEXT NOT NULL, user TEXT NOT NULL,"
	" application TEXT NOT NULL, address TEXT NOT NULL, kind TEXT NOT NULL, most_sessions INTEGER NOT NULL,"
	" looks INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
	" UNIQUE (database, user, application, address, kind));"
	"CREATE TABLE bypass_looks (database TEXT PRIMARY KEY, looks INTEGER NOT NULL, first_ms INTEGER NOT NULL,"
	" last_ms INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE VIEW bypass AS SELECT b.database, b.user, b.application, b.address, b.kind, b.most_sessions,"
	" b.looks AS seen, l.looks, strftime('%Y-%m-%dT%H:%M:%SZ', b.first_ms / 1000, 'unixepoch') AS first_seen,"
	" strftime('%Y-%m-%dT%H:%M:%SZ', b.last_ms / 1000, 'unixepoch') AS last_seen"
	" FROM bypasses b JOIN bypass_looks l ON l.database = b.database;";

/* migrations[n] takes version n to n + 1. */
static const char *const migrations[USAGE_SCHEMA_VERSION] = { version_1, version_2, version_3 };

void usage_schema_error(sqlite3 *db, const char *path, const char *doing, struct error *error_out)
{
	int code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "cannot %s the usage ledger \"%s\": %s", doing, path,
		  db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
	if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT)
		error_hint(error_out, "Move the file away; crossfade makes a new one. \"sqlite3 FILE .recover\" may "
				      "save what is in it.");
	else if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		error_hint(error_out, "Another process holds a lock on it; end that process or let it finish.");
	else if (code == SQLITE_FULL)
		error_hint(error_out, "Make room on its file system.");
	else
		error_hint(error_out, "Check that the folder exists and that this user may read and write there.");
}

static bool pragma_number(sqlite3 *db, const char *sql, int *value_out)
{
	sqlite3_stmt *statement = NULL;
	bool ok = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
		  sqlite3_step(statement) == SQLITE_ROW;
	if (ok)
		*value_out = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return ok;
}

struct stamp {
	int application, version, objects;
};

static bool read_stamp(sqlite3 *db, struct stamp *stamp_out)
{
	return pragma_number(db, "PRAGMA application_id", &stamp_out->application) &&
	       pragma_number(db, "PRAGMA user_version", &stamp_out->version) &&
	       pragma_number(db, "SELECT count(*) FROM sqlite_master", &stamp_out->objects);
}

static bool accept(const struct stamp *stamp, const char *path, struct error *error_out)
{
	if (stamp->application != APPLICATION_ID) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR,
			  "\"%s\" is a database, but no usage ledger of crossfade", path);
		error_hint(error_out, "Name another file; crossfade creates it.");
		return false;
	}
	if (stamp->version > USAGE_SCHEMA_VERSION || stamp->version < 1) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR,
			  "the usage ledger \"%s\" has schema version %d, this crossfade knows up to %d", path,
			  stamp->version, USAGE_SCHEMA_VERSION);
		error_hint(error_out, "Use the newer crossfade that wrote it, or name another file.");
		return false;
	}
	return true;
}

static bool migrate(sqlite3 *db, int from)
{
	for (int version = from; version < USAGE_SCHEMA_VERSION; version++) {
		if (sqlite3_exec(db, migrations[version], NULL, NULL, NULL) != SQLITE_OK)
			return false;
	}
	char *stamp = sqlite3_mprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;"
				      "INSERT OR REPLACE INTO meta VALUES ('schema_version', '%d');",
				      APPLICATION_ID, USAGE_SCHEMA_VERSION, USAGE_SCHEMA_VERSION);
	bool ok = stamp && sqlite3_exec(db, stamp, NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_free(stamp);
	return ok;
}

static bool is_empty(const struct stamp *stamp)
{
	return !stamp->application && !stamp->version && !stamp->objects;
}

static bool read_usable(sqlite3 *db, const char *path, struct stamp *stamp_out, struct error *error_out)
{
	if (!read_stamp(db, stamp_out)) {
		usage_schema_error(db, path, "read", error_out);
		return false;
	}
	return is_empty(stamp_out) || accept(stamp_out, path, error_out);
}

bool usage_schema_may_open(sqlite3 *db, const char *path, struct error *error_out)
{
	struct stamp stamp;
	return read_usable(db, path, &stamp, error_out);
}

/* Inside a write transaction, so that two proxies that start together agree. */
static bool prepare_locked(sqlite3 *db, const char *path, struct error *error_out)
{
	struct stamp stamp;
	if (!read_usable(db, path, &stamp, error_out))
		return false;
	if (stamp.version < USAGE_SCHEMA_VERSION && !migrate(db, stamp.version)) {
		usage_schema_error(db, path, is_empty(&stamp) ? "set up" : "migrate", error_out);
		return false;
	}
	return true;
}

bool usage_schema_prepare(sqlite3 *db, const char *path, struct error *error_out)
{
	if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
		usage_schema_error(db, path, "write to", error_out);
		return false;
	}
	if (!prepare_locked(db, path, error_out)) {
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		return false;
	}
	if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
		usage_schema_error(db, path, "set up", error_out);
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		return false;
	}
	return true;
}

bool usage_schema_check(sqlite3 *db, const char *path, struct error *error_out)
{
	struct stamp stamp;
	if (!read_stamp(db, &stamp)) {
		usage_schema_error(db, path, "read", error_out);
		return false;
	}
	if (!accept(&stamp, path, error_out))
		return false;
	if (stamp.version < USAGE_SCHEMA_VERSION) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR,
			  "the usage ledger \"%s\" has the older schema version %d", path, stamp.version);
		error_hint(error_out, "Start this crossfade's proxy on it once; that brings it up to date.");
		return false;
	}
	return true;
}
