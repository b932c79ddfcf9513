/*
 * The ruleset: map + stages + facts, frozen. For every entry it knows which
 * side holds the rows now, and for every name of a mapped table (or of an
 * index, sequence or row type that moves with it) what it has become.
 * Immutable and shared by all workers; a reload makes a new one.
 */
#ifndef CROSSFADE_MODEL_RULESET_H
#define CROSSFADE_MODEL_RULESET_H

#include "model/facts.h"
#include "model/map.h"
#include "model/session_state.h"
#include "model/shape.h"

enum policy_opaque { OPAQUE_PASS, OPAQUE_NOTICE, OPAQUE_REFUSE };
enum policy_introspection { INTROSPECTION_PASS, INTROSPECTION_MAP };
enum policy_ddl { DDL_REFUSE, DDL_ALLOW };
enum policy_errors { ERRORS_MAPPED, ERRORS_RAW };
enum policy_newer_syntax { NEWER_SYNTAX_REFUSE, NEWER_SYNTAX_PASS };

struct policy {
	enum policy_opaque opaque;
	enum policy_introspection introspection;
	enum policy_ddl ddl;
	enum policy_errors errors;
	enum policy_newer_syntax newer_syntax;
};

struct flag {
	struct rel_name table; /* the old name; entries are keyed by it */
	enum stage stage;
	uint32_t line, column;
};

struct flags {
	const char *file; /* for messages; NULL: none */
	struct flag *items;
	size_t count;
};

struct ruleset_entry {
	uint32_t id; /* index in ruleset.entries */
	const struct map_entry *map; /* wildcards: the pattern's entry */
	struct rel_name names[2];    /* by enum side; new is NULLs for MAP_DROPPED */
	const char *key;	     /* "public.prices": the stable name in flags, ledger, reports */
	enum map_kind kind;
	enum stage stage;
	enum side physical;
	bool drift; /* the catalog contradicts the flag, and wins */
	const struct fact_relation *relation[2]; /* by enum side; NULL: not in the catalog */
	const struct shape *shape; /* NULL: the columns are the same on both sides */
	bool two_tables; /* both sides hold rows, so that only the flag, or a fence, says which is current */
	struct ruleset *origin;	   /* private: where the place was taken from; NULL: this ruleset */
};

enum name_kind { NAME_TABLE, NAME_INDEX, NAME_SEQUENCE };

/* One name that belongs to an entry, as somebody may write it. */
struct ruleset_name {
	struct rel_name written;
	struct rel_name physical; /* equal to written when nothing changes */
	const struct ruleset_entry *entry;
	enum side side; /* of the written name */
	enum name_kind kind;
	struct ruleset_name *hash_next;	    /* private */
	struct ruleset_name *same_name_next; /* private: other schemas, same name */
};

struct ruleset {
	struct ref ref;
	struct arena arena;
	uint64_t version;
	struct map *map;
	struct facts *facts; /* NULL: none known */
	struct policy policy;
	struct ruleset_entry *entries;
	size_t entry_count;
	bool names_nothing; /* an empty map: no text needs a look */
	bool has_patterns; /* facts decide which names are mapped */
	bool has_wide_names;   /* some name or column has characters beyond ASCII: known as UTF-8 */
	bool has_quoted_names; /* some table's name cannot be written without quotes */
	struct ruleset **parts; /* private: rulesets whose memory this one uses, each with a reference */
	size_t part_count;
	struct ruleset_name **by_full_name; /* private */
	struct ruleset_name **by_name;	    /* private */
	size_t bucket_count;
};

/* Called for what is odd but no error: a flag for an unknown entry, drift. */
typedef void ruleset_warn_fn(void *context, const struct error *warning);

/*
 * Builds and checks; false with error_out when the map cannot serve (two
 * entries share a name, a flag names a stage the entry cannot have, …).
 * facts may be NULL. version must grow from build to build.
 */
bool ruleset_build(struct map *map, const struct flags *flags, struct facts *facts, struct policy policy,
		   uint64_t version, ruleset_warn_fn *warn, void *warn_context, struct ruleset **ruleset_out,
		   struct error *error_out);
/*
 * What an open transaction sees once newer rules are there: `now`, but for the
 * entries of `before` that `keeps` answers for, which stay in the place they
 * have in `before`. With one reference; it is `now` itself when no place
 * differs, and `before` when an entry to be kept is gone from the map. Results
 * for a ruleset made so (part_count > 0) are not worth caching.
 */
typedef bool ruleset_keeps_fn(void *context, const struct ruleset_entry *entry);
struct ruleset *ruleset_keep(struct ruleset *now, struct ruleset *before, ruleset_keeps_fn *keeps, void *context);
/* The stage after the entry's present one; false: there is none. */
bool ruleset_next_stage(const struct ruleset_entry *entry, enum stage *stage_out);
/*
 * The same rules as if one entry were at another stage and its rows where
 * that stage has them, whatever the catalog says. Entries keep their ids.
 */
bool ruleset_suppose(const struct ruleset *base, uint32_t entry, enum stage stage, uint64_t version,
		     struct ruleset **ruleset_out, struct error *error_out);
struct ruleset *ruleset_ref(struct ruleset *ruleset);
void ruleset_unref(struct ruleset *ruleset);

/* NULL: not a name of the map. */
const struct ruleset_name *ruleset_find(const struct ruleset *ruleset, const char *schema, const char *name);
/* Token filter: could an identifier that decodes to name[0..len) be (the last part of) a mapped name? */
bool ruleset_mentions(const struct ruleset *ruleset, const char *name, size_t len);

/*
 * Which relation an unqualified name means along a search path (rewriting.md
 * §1.4): the mapped name that the first holding schema has, or NULL when it
 * is somebody else's name. user replaces "$user". At stage `complete` an old
 * name is found only when no other schema of the path holds the name. state:
 * what the session itself has created and dropped counts before the facts;
 * NULL: nothing.
 */
const struct ruleset_name *ruleset_resolve(const struct ruleset *ruleset, const struct name_list *search_path,
					   const char *user, const char *name,
					   const struct session_state *state);
/* Whether the schema has a relation of that name, as far as session and catalog know. */
bool ruleset_relation_exists(const struct ruleset *ruleset, const char *schema, const char *name,
			     const struct session_state *state);
const struct ruleset_entry *ruleset_entry_by_key(const struct ruleset *ruleset, const char *key);

#endif
