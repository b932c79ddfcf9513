/*
 * One level of a session state: the values that a transaction or savepoint
 * starts with and may change. Values are immutable and refcounted, so that a
 * level is a few words and copying one is cheap. Private to session_state.c.
 */
#ifndef CROSSFADE_MODEL_SESSION_LEVEL_H
#define CROSSFADE_MODEL_SESSION_LEVEL_H

#include "model/session_state.h"

/* A search_path: its text, the list it parses to, or unknown. Immutable. */
struct path {
	uint32_t refs;
	bool known;
	char *text;
	struct name_list list;
	struct arena arena;
};

/* The session's temporary relations. Immutable. */
struct temps {
	uint32_t refs;
	size_t count;
	struct temp {
		char *name;
		bool on_commit_drop;
	} items[];
};

enum overlay_kind { OVERLAY_RELATION, OVERLAY_CONSTRAINT, OVERLAY_COLUMN };

/* What the session's own DDL made of relations that facts do not tell of yet. Immutable. */
struct overlay {
	uint32_t refs;
	size_t count;
	struct overlay_item {
		enum overlay_kind kind;
		char *schema, *name; /* of a column: its table and its own */
		bool present;
	} items[];
};

enum level_kind { LEVEL_BASE, LEVEL_IMPLICIT, LEVEL_TRANSACTION, LEVEL_SAVEPOINT };

/* A string that levels share. Immutable. */
struct text {
	uint32_t refs;
	char data[];
};

struct level {
	enum level_kind kind;
	struct text *name; /* savepoint */
	struct path *path; /* in effect */
	struct path *session_path; /* what is left once SET LOCAL ends */
	struct text *role; /* NULL: none set */
	struct text *session_role;
	struct text *session_user;
	struct temps *temps; /* NULL: none */
	bool temps_unknown; /* code may have made others, or dropped some */
	bool session_temps_unknown; /* so it is again once the transaction ends */
	bool role_unknown, session_role_unknown; /* code may have set role or session_user */
	struct overlay *overlay; /* NULL: nothing */
	bool standard_strings, session_standard_strings;
	enum encoding_class encoding, session_encoding;
	uint64_t stamp; /* levels in which names mean the same may have one stamp */
};

/* The level means something else from now on. */
void level_touch(struct level *level);

struct text *text_new(const char *data); /* NULL stays NULL */
struct text *text_ref(struct text *text);
void text_unref(struct text *text);
/* Puts another value into the slot, which holds a reference of its own. */
void text_assign(struct text **slot, struct text *text);

struct path *path_new(const char *value); /* NULL or malformed: unknown */
struct path *path_ref(struct path *path);
void path_unref(struct path *path);
void path_assign(struct path **slot, struct path *path);

struct level level_copy(const struct level *from);
void level_deinit(struct level *level);
/* SET LOCAL ends with its transaction, ON COMMIT DROP tables too. Touches only what that changes. */
void level_end_local(struct level *level);

/* Each in effect from now on; not local: also once SET LOCAL ends. role "none" or NULL: none is set. */
void level_set_search_path(struct level *level, struct path *path, bool local);
void level_set_role(struct level *level, const char *role, bool local);
void level_set_standard_strings(struct level *level, bool on, bool local);
void level_set_encoding(struct level *level, enum encoding_class encoding, bool local);

bool level_has_temp(const struct level *level, const char *name);
void level_add_temp(struct level *level, const char *name, bool on_commit_drop);
void level_drop_temp(struct level *level, const char *name);
void level_drop_temps(struct level *level);

void level_note(struct level *level, enum overlay_kind kind, const char *schema, const char *name, bool present);
void level_forget_relations(struct level *level);
void level_add_column(struct level *level, const char *schema, const char *table, const char *name);
/* NULL: not so many. */
const char *level_added_column(const struct level *level, const char *schema, const char *table, size_t index);
bool level_has_constraint(const struct level *level, const char *schema, const char *name);
enum session_relation level_relation(const struct level *level, const char *schema, const char *name);

#endif
