/* What the files of this layer share. */
#ifndef CROSSFADE_SHARED_PARTS_H
#define CROSSFADE_SHARED_PARTS_H

#include "base/buf.h"
#include "catalog/link.h"
#include "shared/shared.h"

#include <libpq-fe.h>

struct sqlite3;

enum { SHARED_VERSION = 1, SHARED_CONNECT_MS = 3000, SHARED_QUERY_MS = 5000, SHARED_LOCK_MS = 2000 };

struct usage_shared {
	char *schema; /* quoted */
	char *dsn;
	struct usage_settings settings;
	struct catalog_link *link;	       /* where its connections come from; NULL: they are its own */
	struct catalog_connection *connection; /* NULL: not connected */
	char ledger[64];     /* which ledger the ids in memory are of; empty: none */
	int64_t observation; /* our row there; 0: none yet */
	struct {
		int64_t observation;
		uint64_t entries_hash;
	} before; /* the batch: true again when it comes to nothing */
	int64_t batch;	     /* of the last that was sent */
	bool in_doubt;	     /* … and whose COMMIT had no answer; the one in memory is open */
	uint64_t entries_hash; /* of the entries that were last sent */
};

/* The tables of a ledger, as SQLite and PostgreSQL both have them. */
struct shared_table {
	const char *name;
	const char *columns; /* "id, table_name, …", quoted where PostgreSQL needs it */
	const char *definition; /* for CREATE TABLE */
};
extern const struct shared_table shared_tables[];
extern const size_t shared_table_count;

bool shared_split_place(const char *place, char **schema_out, char **dsn_out);
/* For one look, with a connection of its own. */
struct usage_shared *shared_open(const char *place, const struct usage_settings *settings);
void shared_close(struct usage_shared *shared); /* accepts NULL */
bool shared_connect(struct usage_shared *shared, struct error *error_out);
void shared_disconnect(struct usage_shared *shared);
/* Makes or checks the tables; ledger_out: which one it is. */
bool shared_prepare(struct usage_shared *shared, bool create, char ledger_out[64], struct error *error_out);

/* One statement; result_out may be NULL. A connection that is lost by it is closed. */
bool shared_run(struct usage_shared *shared, const char *sql, struct pg_result **result_out, struct error *error_out);

/* Rows of what is in memory, inside the transaction of both sides. */
bool shared_send(struct usage_shared *shared, struct usage_store *store, struct error *error_out);
/* Forgets in memory what was sent. */
bool shared_forget(struct usage_store *store, struct error *error_out);

bool shared_read(const char *place, struct sqlite3 **db_out, struct error *error_out);
bool shared_maintain(struct usage_shared *shared, struct error *error_out);

#endif
