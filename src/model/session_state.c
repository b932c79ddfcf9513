#include "model/prepared_names.h"
#include "model/session_level.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct session_state {
	struct text *database;
	struct text *login_user;
	struct path *default_path;
	bool default_standard_strings;
	enum encoding_class default_encoding;
	struct level *levels;
	size_t depth; /* at least 1 */
	size_t capacity;
	struct prepared_names prepared;
};

/* Savepoints nested deeper are not kept: rolling back to one leaves the search_path
 * unknown, so that the server is asked. */
enum { LEVEL_MAX = 1024 };

/* ---- levels ---- */

static struct level *top(const struct session_state *state)
{
	return &state->levels[state->depth - 1];
}

static void reserve_levels(struct session_state *state, size_t count)
{
	if (count <= state->capacity)
		return;
	state->capacity = count < 4 ? 4 : count * 2;
	state->levels = memory_realloc(state->levels, state->capacity * sizeof(*state->levels));
}

static void touch(struct session_state *state)
{
	level_touch(top(state));
}

static void push_level(struct session_state *state, enum level_kind kind, const char *name)
{
	reserve_levels(state, state->depth + 1);
	struct level copy = level_copy(top(state));
	text_unref(copy.name);
	copy.name = text_new(name);
	copy.kind = kind;
	state->levels[state->depth++] = copy;
}

static void drop_levels(struct session_state *state, size_t depth)
{
	while (state->depth > depth)
		level_deinit(&state->levels[--state->depth]);
}

/* The top level's values become those of the level at depth - 1; levels between go. */
static void merge_levels(struct session_state *state, size_t depth)
{
	struct level merged = level_copy(top(state));
	struct level *into = &state->levels[depth - 1];
	merged.kind = into->kind;
	text_unref(merged.name);
	merged.name = text_ref(into->name);
	drop_levels(state, depth);
	level_deinit(into);
	*into = merged;
}

static void set_unknown(struct session_state *state, const char *name, bool local);

/* ---- transactions ---- */

static bool in_explicit(const struct session_state *state)
{
	return state->depth > 1 && state->levels[1].kind == LEVEL_TRANSACTION;
}

static void begin(struct session_state *state)
{
	if (state->depth == 1)
		push_level(state, LEVEL_TRANSACTION, NULL);
	else if (state->levels[1].kind == LEVEL_IMPLICIT)
		state->levels[1].kind = LEVEL_TRANSACTION;
}

static void commit(struct session_state *state, bool chain)
{
	if (state->depth > 1) {
		merge_levels(state, 1);
		level_end_local(top(state));
	}
	if (chain)
		begin(state);
}

static void rollback(struct session_state *state, bool chain)
{
	drop_levels(state, 1);
	if (chain)
		begin(state);
}

/* Depth at which the savepoint's own level sits; 0: there is none. */
static size_t find_savepoint(const struct session_state *state, const char *name)
{
	for (size_t depth = state->depth; depth > 1; depth--) {
		const struct level *level = &state->levels[depth - 1];
		if (level->kind == LEVEL_SAVEPOINT && level->name && strcmp(level->name->data, name) == 0)
			return depth;
	}
	return 0;
}

static void savepoint(struct session_state *state, const char *name)
{
	if (!in_explicit(state) || state->depth >= LEVEL_MAX)
		return;
	push_level(state, LEVEL_SAVEPOINT, name);
}

static void release(struct session_state *state, const char *name)
{
	size_t depth = find_savepoint(state, name);
	if (depth)
		merge_levels(state, depth - 1);
}

static void rollback_to(struct session_state *state, const char *name)
{
	size_t depth = find_savepoint(state, name);
	if (!depth) {
		set_unknown(state, "search_path", false);
		return;
	}
	drop_levels(state, depth - 1);
	push_level(state, LEVEL_SAVEPOINT, name);
}

/* ---- settings ---- */

/* Every prefix of the server's boolean words that is not ambiguous. */
static bool is_on(const char *value)
{
	static const char *const words[] = { "on", "true", "yes", "1" };
	size_t len = strlen(value);
	if (len == 0 || strcasecmp(value, "o") == 0)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncasecmp(value, words[i], len) == 0)
			return true;
	}
	return false;
}

static void set_named(struct session_state *state, const char *name, const char *value, bool local)
{
	if (strcasecmp(name, "search_path") == 0) {
		struct path *path = path_new(value);
		level_set_search_path(top(state), path, local);
		path_unref(path);
	} else if (strcasecmp(name, "role") == 0) {
		level_set_role(top(state), value, local);
	} else if (strcasecmp(name, "standard_conforming_strings") == 0) {
		level_set_standard_strings(top(state), is_on(value), local);
	} else if (strcasecmp(name, "client_encoding") == 0) {
		level_set_encoding(top(state), encoding_class_of(value), local);
	} else {
		return;
	}
	touch(state);
}

static void set_session_user(struct session_state *state, const char *user)
{
	struct text *text = user ? text_new(user) : text_ref(state->login_user);
	text_assign(&top(state)->session_user, text);
	text_unref(text);
	level_set_role(top(state), NULL, false);
}

static void reset(struct session_state *state, const char *name, bool local)
{
	if (strcasecmp(name, "search_path") == 0)
		level_set_search_path(top(state), state->default_path, local);
	else if (strcasecmp(name, "role") == 0)
		level_set_role(top(state), NULL, local);
	else if (strcasecmp(name, "session_authorization") == 0)
		set_session_user(state, NULL);
	else if (strcasecmp(name, "standard_conforming_strings") == 0)
		level_set_standard_strings(top(state), state->default_standard_strings, local);
	else if (strcasecmp(name, "client_encoding") == 0)
		level_set_encoding(top(state), state->default_encoding, local);
	else
		return;
	touch(state);
}

/* RESET ALL leaves role and session_authorization as they are. */
static void reset_all(struct session_state *state)
{
	reset(state, "search_path", false);
	reset(state, "standard_conforming_strings", false);
	reset(state, "client_encoding", false);
}

static void set_unknown(struct session_state *state, const char *name, bool local)
{
	if (strcmp(name, EFFECT_TEMPS) == 0) {
		top(state)->temps_unknown = top(state)->session_temps_unknown = true;
		touch(state);
		return;
	}
	if (strcmp(name, "role") == 0) {
		top(state)->role_unknown = true;
		top(state)->session_role_unknown |= !local;
		touch(state);
		return;
	}
	if (strcasecmp(name, "search_path") != 0)
		return;
	struct path *unknown = path_new(NULL);
	level_set_search_path(top(state), unknown, local);
	path_unref(unknown);
	touch(state);
}

static void drop_temps(struct session_state *state)
{
	level_drop_temps(top(state));
	touch(state);
}

static void discard_all(struct session_state *state)
{
	set_session_user(state, NULL);
	reset_all(state);
	drop_temps(state);
	prepared_names_remove(&state->prepared, NULL);
}

static void create_temp(struct session_state *state, const char *name, bool on_commit_drop)
{
	level_add_temp(top(state), name, on_commit_drop);
	touch(state);
}

static void drop_temp(struct session_state *state, const char *name)
{
	level_drop_temp(top(state), name);
	touch(state);
}

/* ---- interface ---- */

struct session_state *session_state_new(const char *database, const char *user, const char *search_path)
{
	struct session_state *state = memory_zalloc(sizeof(*state));
	state->database = text_new(database ? database : "");
	state->login_user = text_new(user ? user : "");
	state->default_path = path_new(search_path);
	state->default_standard_strings = true;
	state->default_encoding = ENCODING_UTF8;
	reserve_levels(state, 1);
	state->depth = 1;
	state->levels[0] = (struct level){
		.kind = LEVEL_BASE,
		.path = path_ref(state->default_path),
		.session_path = path_ref(state->default_path),
		.session_user = text_ref(state->login_user),
		.standard_strings = true,
		.session_standard_strings = true,
		.encoding = ENCODING_UTF8,
		.session_encoding = ENCODING_UTF8,
	};
	touch(state);
	return state;
}

void session_state_free(struct session_state *state)
{
	if (!state)
		return;
	drop_levels(state, 0);
	free(state->levels);
	text_unref(state->database);
	text_unref(state->login_user);
	path_unref(state->default_path);
	prepared_names_deinit(&state->prepared);
	free(state);
}

void session_state_assign(struct session_state *state, const struct session_state *other)
{
	if (state == other)
		return;
	text_assign(&state->database, other->database);
	text_assign(&state->login_user, other->login_user);
	path_assign(&state->default_path, other->default_path);
	state->default_standard_strings = other->default_standard_strings;
	state->default_encoding = other->default_encoding;
	prepared_names_assign(&state->prepared, &other->prepared);
	drop_levels(state, 0);
	reserve_levels(state, other->depth);
	for (size_t i = 0; i < other->depth; i++)
		state->levels[state->depth++] = level_copy(&other->levels[i]);
}

const char *session_state_database(const struct session_state *state)
{
	return state->database->data;
}

const char *session_state_user(const struct session_state *state)
{
	const struct level *level = top(state);
	return level->role ? level->role->data : level->session_user->data;
}

const struct name_list *session_state_search_path(const struct session_state *state)
{
	const struct level *level = top(state);
	return level->path->known && !level->temps_unknown && !level->role_unknown ? &level->path->list : NULL;
}

const char *session_state_search_path_text(const struct session_state *state)
{
	return top(state)->path->text;
}

bool session_state_has_temp(const struct session_state *state, const char *name)
{
	return level_has_temp(top(state), name);
}

bool session_state_has_any_temp(const struct session_state *state)
{
	return top(state)->temps != NULL || top(state)->temps_unknown;
}

enum session_relation session_state_relation(const struct session_state *state, const char *schema,
					     const char *name)
{
	return level_relation(top(state), schema, name);
}

bool session_state_has_own_relations(const struct session_state *state)
{
	return top(state)->overlay != NULL;
}

void session_state_forget_relations(struct session_state *state)
{
	if (state->depth > 1 || !top(state)->overlay)
		return;
	level_forget_relations(top(state));
	touch(state);
}

bool session_state_made_constraint(const struct session_state *state, const char *schema, const char *name)
{
	return level_has_constraint(top(state), schema, name);
}

const char *session_state_added_column(const struct session_state *state, const char *schema, const char *table,
				       size_t index)
{
	return level_added_column(top(state), schema, table, index);
}

const char *session_state_prepared_names(const struct session_state *state, const char *name)
{
	return prepared_names_find(&state->prepared, name);
}

bool session_state_has_prepared_names(const struct session_state *state)
{
	return state->prepared.count > 0;
}

bool session_state_standard_strings(const struct session_state *state)
{
	return top(state)->standard_strings;
}

enum encoding_class session_state_encoding(const struct session_state *state)
{
	return top(state)->encoding;
}

uint64_t session_state_stamp(const struct session_state *state)
{
	return top(state)->stamp;
}

static void apply_setting(struct session_state *state, const struct effect *effect)
{
	switch (effect->kind) {
	case EFFECT_SET:
		if (effect->value)
			set_named(state, effect->name, effect->value, effect->local);
		else
			reset(state, effect->name, effect->local);
		break;
	case EFFECT_RESET:
		reset(state, effect->name, effect->local);
		break;
	case EFFECT_RESET_ALL:
		reset_all(state);
		break;
	case EFFECT_SET_UNKNOWN:
		set_unknown(state, effect->name, effect->local);
		break;
	case EFFECT_ROLE:
		level_set_role(top(state), effect->value, effect->local);
		touch(state);
		break;
	case EFFECT_SESSION_USER:
		set_session_user(state, effect->value);
		touch(state);
		break;
	default:
		break;
	}
}

void session_state_apply(struct session_state *state, const struct effect *effect)
{
	switch (effect->kind) {
	case EFFECT_DISCARD_ALL:
		discard_all(state);
		break;
	case EFFECT_DISCARD_TEMP:
		drop_temps(state);
		break;
	case EFFECT_TEMP_CREATE:
		create_temp(state, effect->name, effect->local);
		break;
	case EFFECT_TEMP_DROP:
		drop_temp(state, effect->name);
		break;
	case EFFECT_RELATION_CREATED:
	case EFFECT_RELATION_DROPPED:
		level_note(top(state), OVERLAY_RELATION, effect->value, effect->name,
			   effect->kind == EFFECT_RELATION_CREATED);
		touch(state);
		break;
	case EFFECT_COLUMN_ADDED:
		level_add_column(top(state), effect->value, effect->text, effect->name);
		touch(state);
		break;
	case EFFECT_CONSTRAINT_CREATED:
		level_note(top(state), OVERLAY_CONSTRAINT, effect->value, effect->name, true);
		touch(state);
		break;
	case EFFECT_PREPARE:
		prepared_names_set(&state->prepared, effect->name, effect->value);
		break;
	case EFFECT_DEALLOCATE:
		prepared_names_remove(&state->prepared, effect->name);
		break;
	case EFFECT_BEGIN:
		begin(state);
		break;
	case EFFECT_COMMIT:
		commit(state, effect->chain);
		break;
	case EFFECT_ROLLBACK:
		rollback(state, effect->chain);
		break;
	case EFFECT_PREPARE_TRANSACTION:
		commit(state, false);
		break;
	case EFFECT_SAVEPOINT:
		savepoint(state, effect->name);
		break;
	case EFFECT_RELEASE:
		release(state, effect->name);
		break;
	case EFFECT_ROLLBACK_TO:
		rollback_to(state, effect->name);
		break;
	default:
		apply_setting(state, effect);
		break;
	}
}

void session_state_set_default(struct session_state *state, const char *name, const char *value)
{
	if (strcasecmp(name, "search_path") == 0) {
		struct path *path = path_new(value);
		path_assign(&state->default_path, path);
		path_unref(path);
	} else if (strcasecmp(name, "standard_conforming_strings") == 0) {
		state->default_standard_strings = is_on(value);
	} else if (strcasecmp(name, "client_encoding") == 0) {
		state->default_encoding = encoding_class_of(value);
	}
}

void session_state_learnt_search_path(struct session_state *state, const char *value)
{
	struct path *path = path_new(value);
	path_assign(&top(state)->path, path);
	if (state->depth == 1)
		path_assign(&top(state)->session_path, path);
	path_unref(path);
	touch(state);
}

bool session_state_role_known(const struct session_state *state)
{
	return !top(state)->role_unknown;
}

void session_state_learnt_role(struct session_state *state, const char *session_user, const char *role)
{
	struct level *level = top(state);
	struct text *user = text_new(session_user);
	text_assign(&level->session_user, user);
	text_unref(user);
	level_set_role(top(state), role, state->depth > 1);
	touch(state);
}

bool session_state_temps_known(const struct session_state *state)
{
	return !top(state)->temps_unknown;
}

void session_state_learnt_temps(struct session_state *state, const char *const *names, size_t count)
{
	bool inside = state->depth > 1 && top(state)->session_temps_unknown;
	level_drop_temps(top(state));
	for (size_t i = 0; i < count; i++)
		level_add_temp(top(state), names[i], false);
	top(state)->session_temps_unknown = inside;
	touch(state);
}

/* Reported values are those in effect; what a rollback brings back is reported anew. */
void session_state_reported(struct session_state *state, const char *name, const char *value)
{
	for (size_t i = 0; i < state->depth; i++) {
		struct level *level = &state->levels[i];
		if (strcasecmp(name, "search_path") == 0) {
			struct path *path = path_new(value);
			path_assign(&level->path, path);
			path_assign(&level->session_path, path);
			path_unref(path);
		} else if (strcasecmp(name, "standard_conforming_strings") == 0) {
			level->standard_strings = level->session_standard_strings = is_on(value);
		} else if (strcasecmp(name, "client_encoding") == 0) {
			level->encoding = level->session_encoding = encoding_class_of(value);
		} else {
			return;
		}
		level_touch(level);
	}
}

bool session_state_in_transaction(const struct session_state *state)
{
	return in_explicit(state);
}

void session_state_segment_begin(struct session_state *state)
{
	if (state->depth == 1)
		push_level(state, LEVEL_IMPLICIT, NULL);
}

void session_state_segment_end(struct session_state *state, char ready, bool failed)
{
	if (ready == 'T' || ready == 'E') {
		begin(state); /* a transaction that was begun unseen */
		return;
	}
	if (state->depth == 1)
		return;
	if (failed)
		rollback(state, false);
	else
		commit(state, false);
}
