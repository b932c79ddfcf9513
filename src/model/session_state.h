/*
 * What the rewriter must know of a session: the settings that decide what a
 * name means, its temporary tables, and how rollbacks undo both. Pure
 * bookkeeping; whether a statement succeeded is for the caller to know.
 *
 * Levels: the bottom one holds outside transactions; each transaction and
 * each savepoint adds one, which starts as a copy (values are shared,
 * immutable and refcounted, so that a level is a few words).
 * Owned by one thread.
 */
#ifndef CROSSFADE_MODEL_SESSION_STATE_H
#define CROSSFADE_MODEL_SESSION_STATE_H

#include "model/effect.h"
#include "model/encoding_class.h"
#include "model/name.h"

struct session_state;

/* Texts are copied; search_path is the value a new session starts with (NULL: unknown). */
struct session_state *session_state_new(const char *database, const char *user, const char *search_path);
void session_state_free(struct session_state *state);
/* Makes state equal to other: a prediction starts over from what is confirmed. */
void session_state_assign(struct session_state *state, const struct session_state *other);

const char *session_state_database(const struct session_state *state);
/* The role that decides "$user" and privileges now. */
const char *session_state_user(const struct session_state *state);
/* NULL: only the server knows. */
const struct name_list *session_state_search_path(const struct session_state *state);
const char *session_state_search_path_text(const struct session_state *state);
bool session_state_has_temp(const struct session_state *state, const char *name);
bool session_state_has_any_temp(const struct session_state *state);
/* What the session's own DDL did to a relation, of which the facts may not tell yet. */
enum session_relation { SESSION_RELATION_UNTOUCHED, SESSION_RELATION_CREATED, SESSION_RELATION_DROPPED };
/* As a name: the schema itself, with all that is in it. */
#define SESSION_WHOLE_SCHEMA ""
enum session_relation session_state_relation(const struct session_state *state, const char *schema,
					     const char *name);
/* Whether its DDL made a constraint of that name on a table of that schema. */
bool session_state_made_constraint(const struct session_state *state, const char *schema, const char *name);
/* Those that its DDL added to a table, from index 0 on; NULL: no more. */
const char *session_state_added_column(const struct session_state *state, const char *schema, const char *table,
				       size_t index);
bool session_state_has_own_relations(const struct session_state *state);
/* The facts tell of everything now; inside a transaction nothing is forgotten. */
void session_state_forget_relations(struct session_state *state);
/* Of a statement that PREPARE made: the numbers of the parameters that are read as names of relations, with
 * spaces between; NULL: none. */
const char *session_state_prepared_names(const struct session_state *state, const char *name);
bool session_state_has_prepared_names(const struct session_state *state);
bool session_state_standard_strings(const struct session_state *state);
enum encoding_class session_state_encoding(const struct session_state *state);
/* Equal stamps, of whatever states: names mean the same. A transaction that changes nothing leaves it. */
uint64_t session_state_stamp(const struct session_state *state);

void session_state_apply(struct session_state *state, const struct effect *effect);
/* What RESET goes back to: from the startup packet or ALTER ROLE/DATABASE. */
void session_state_set_default(struct session_state *state, const char *name, const char *value);
/* The server's answer to a question: true in the transaction or savepoint it was asked in. What is
 * below, or comes after, stays as unknown as it was. */
void session_state_learnt_search_path(struct session_state *state, const char *value);
/* Likewise. role "none": none is set. */
void session_state_learnt_role(struct session_state *state, const char *session_user, const char *role);
/* False: code ran that may have set a role. No search_path is told while it is so. */
bool session_state_role_known(const struct session_state *state);
/* There are these temporary relations and no others. */
void session_state_learnt_temps(struct session_state *state, const char *const *names, size_t count);
/* False: code ran that may have made temporary tables. No search_path is told while it is so. */
bool session_state_temps_known(const struct session_state *state);
/* The server's own word (ParameterStatus, or a SHOW): true at once, at every level. */
void session_state_reported(struct session_state *state, const char *name, const char *value);

/* Whether a BEGIN is open. */
bool session_state_in_transaction(const struct session_state *state);

/*
 * The implicit transaction around a simple Query or up to a Sync. Statements
 * inside see each other's effects; a failure undoes all of them. No-op inside
 * an explicit transaction. ready: the status byte of ReadyForQuery ('I', 'T',
 * 'E'), which settles what was implicit.
 */
void session_state_segment_begin(struct session_state *state);
void session_state_segment_end(struct session_state *state, char ready, bool failed);

#endif
