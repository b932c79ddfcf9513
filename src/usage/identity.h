/*
 * Who ran a statement. Interned per worker: sessions of the same database,
 * user, application and address share one, which makes it half of the key
 * under which statements are counted. Those that no session holds stay until
 * the next flush, so that an application that reconnects for each statement
 * does not make a new one each time.
 */
#ifndef CROSSFADE_USAGE_IDENTITY_H
#define CROSSFADE_USAGE_IDENTITY_H

#include "base/ref.h"
#include "usage/hash_table.h"
#include "usage/usage.h"

/* To record more about a client: a row here, one in usage_who, and a migration in schema.c. */
enum usage_field {
	USAGE_DATABASE, USAGE_USER, USAGE_APPLICATION, USAGE_ADDRESS, USAGE_CONTROLLER, USAGE_ROUTE, USAGE_ACTION,
	USAGE_FIELD_COUNT
};

enum { USAGE_FIELD_MAX_BYTES = 128 };
#define USAGE_OTHER "(other)"
/* As a column: statements that take all, or of which it cannot be told. */
#define USAGE_ALL_COLUMNS "*"

struct usage_identity {
	struct ref ref;		 /* the intern table has one, each usage_table that names it has one */
	uint32_t sessions;	 /* worker's: who holds it through usage_identity_take */
	uint64_t pin_epoch;	 /* worker's: the last usage_table that pinned it */
	int64_t store_id;	 /* store thread's: its row, valid in store_generation */
	uint64_t store_generation;
	UT_hash_handle hh;
	const char *fields[USAGE_FIELD_COUNT];
	size_t key_len;
	char key[]; /* the fields, each with its NUL */
};

struct usage_identities {
	struct usage_identity *table; /* uthash */
	size_t bytes;
	size_t idle; /* how many no session holds */
};

/* The one for who, made when there is none; NULL when that would pass limit_bytes. */
struct usage_identity *usage_identities_take(struct usage_identities *identities, const struct usage_who *who,
					     size_t limit_bytes);
void usage_identities_release(struct usage_identities *identities, struct usage_identity *identity);
/* Forgets those that no session holds. */
void usage_identities_sweep(struct usage_identities *identities);
void usage_identities_deinit(struct usage_identities *identities);

struct usage_identity *usage_identity_ref(struct usage_identity *identity);
void usage_identity_unref(struct usage_identity *identity);
size_t usage_identity_bytes(const struct usage_identity *identity);

#endif
