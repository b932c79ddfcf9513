/*
 * Facts: what the catalog of one database says, at one moment. Built by
 * catalog/ (live) or config/ (a file, for `rewrite --catalog`); immutable
 * once shared.
 *
 * Build: facts_new, facts_add_…, facts_seal; lookups work after the seal.
 */
#ifndef CROSSFADE_MODEL_FACTS_H
#define CROSSFADE_MODEL_FACTS_H

#include "base/ref.h"
#include "model/name.h"

enum fact_kind { FACT_TABLE, FACT_PARTITIONED, FACT_FOREIGN, FACT_VIEW, FACT_MATVIEW, FACT_SEQUENCE, FACT_INDEX,
		 FACT_COMPOSITE };

/* The trigger that fences a table (fleet/fence.h), and what its error names as the constraint. */
#define FACT_FENCE "crossfade_fence"

struct fact_column {
	const char *name;
	const char *type;     /* as format_type() prints it, typmod included */
	uint32_t type_oid;    /* 0: unknown */
	int32_t typmod;
	int16_t attnum;
	bool not_null, has_default;
	bool in_key; /* of the primary key */
	char identity;	/* 0, 'a' always, 'd' by default */
	char generated; /* 0, 's' stored */
	const char *default_text; /* NULL: none */
};

struct fact_relation {
	struct rel_name name;
	enum fact_kind kind;
	uint32_t oid;		  /* 0: unknown */
	bool fenced;		  /* nobody may write into it: the rows are on the other side of the map */
	struct rel_name owned_by; /* index or owned sequence: its table; else NULLs */
	struct fact_column *columns;
	size_t column_count;
	struct fact_relation *hash_next; /* private */
	struct fact_relation *owner_next; /* private: next object owned by the same table */
	struct fact_relation *owned; /* first index or sequence of this table; follow owner_next */
};

/* search_path set by ALTER ROLE … SET, ALTER DATABASE … SET; NULL role: all roles. */
struct fact_setting {
	const char *role;
	bool this_database; /* false: holds in every database */
	const char *search_path;
	struct fact_setting *next;
};

/* Functions and procedures that may change what names mean, as far as their text tells. */
enum fact_code_flag {
	FACT_CODE_SESSION = 1 << 0, /* search_path, the role, temporary tables */
	FACT_CODE_CATALOG = 1 << 1, /* by DDL */
};
struct fact_code {
	const char *function;
	unsigned flags;
};

/* One that SET CONSTRAINTS may name. Its schema is its table's. */
struct fact_constraint {
	const char *name;
	struct rel_name table;
	const char **columns; /* of a primary key or a unique constraint, in its order */
	size_t column_count;  /* 0: another, or not known */
};

/* A schema a role may not use, so that search_path skips it. */
struct fact_denied {
	const char *role;
	const char *schema;
};

struct facts {
	struct ref ref;
	struct arena arena;
	uint64_t version;	/* grows with each load; chosen by the loader */
	const char *database;	/* NULL: unknown */
	const char *search_path; /* the server's own default, from postgresql.conf; NULL: "$user", public */
	int server_version;	/* 150004; 0: unknown */
	struct fact_relation **relations;
	size_t relation_count, relation_capacity;
	const char **schemas;
	size_t schema_count, schema_capacity;
	struct fact_setting *settings;
	struct fact_denied *denied;
	size_t denied_count, denied_capacity;
	struct fact_code *code;
	size_t code_count, code_capacity;
	struct fact_constraint *constraints;
	size_t constraint_count, constraint_capacity;
	struct fact_relation **buckets; /* private */
	size_t bucket_count;
};

struct facts *facts_new(void);
struct facts *facts_ref(struct facts *facts);
void facts_unref(struct facts *facts);

struct fact_relation *facts_add_relation(struct facts *facts, struct rel_name name, enum fact_kind kind,
					 uint32_t oid);
/* Columns in attnum order; the array is copied, its texts too. */
void facts_set_columns(struct facts *facts, struct fact_relation *relation, const struct fact_column *columns,
		       size_t count);
void facts_set_owner(struct facts *facts, struct fact_relation *relation, struct rel_name table);
void facts_add_schema(struct facts *facts, const char *schema);
void facts_add_setting(struct facts *facts, const char *role, bool this_database, const char *search_path);
void facts_add_denied(struct facts *facts, const char *role, const char *schema);
void facts_add_code(struct facts *facts, const char *function, unsigned flags);
void facts_add_constraint(struct facts *facts, struct rel_name table, const char *name);
/* One whose columns are known, and that ON CONFLICT may name. */
void facts_add_key(struct facts *facts, struct rel_name table, const char *name, const char *const *columns, size_t count);
void facts_seal(struct facts *facts);

const struct fact_relation *facts_find(const struct facts *facts, const char *schema, const char *name);
bool facts_has_schema(const struct facts *facts, const char *schema);
/* False only when the facts know that role has no USAGE on schema. */
bool facts_may_use(const struct facts *facts, const char *role, const char *schema);
/* What a function or procedure of that name, in any schema, may do; 0: nothing of interest. */
unsigned facts_code_flags(const struct facts *facts, const char *function);
/* NULL: the table has none of that name, or its columns are not known. */
const struct fact_constraint *facts_key(const struct facts *facts, struct rel_name table, const char *name);
/* Those of that name; NULL: none. */
const struct fact_constraint *facts_constraints(const struct facts *facts, const char *name, size_t *count_out);
/* The search_path a new session of role gets when it says nothing itself. */
const char *facts_default_search_path(const struct facts *facts, const char *role);
/* True for kinds that hold rows of their own. */
bool fact_kind_holds_rows(enum fact_kind kind);

#endif
