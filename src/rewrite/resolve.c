#include "rewrite/resolve.h"

static bool given(const char *part)
{
	return part && *part;
}

struct slice resolve_spelled(struct arena *arena, struct rel_name name)
{
	return slice_str(rel_name_print(arena, name));
}

static bool is_among(const struct cte *names, const char *name)
{
	for (const struct cte *cte = names; cte; cte = cte->next) {
		if (strcmp(cte->name, name) == 0)
			return true;
	}
	return false;
}

static const struct ruleset_name *by_path(struct analysis *a, const struct name_list *path, const char *name)
{
	return ruleset_resolve(a->ruleset, path, session_state_user(a->state), name, a->state);
}

/* CREATE SCHEMA s … puts s in front for the statements inside it. */
static struct name_list effective_path(struct analysis *a, const struct name_list *path)
{
	if (!a->schema_being_created)
		return *path;
	struct name_list longer = { ARENA_ARRAY(a->arena, path->count + 1, const char *), path->count + 1 };
	longer.names[0] = a->schema_being_created;
	if (path->count)
		memcpy(longer.names + 1, path->names, path->count * sizeof(*path->names));
	return longer;
}

/* Would the server, reading the name by itself, find something else than the
 * table that holds the rows: a leftover of the old table, for one? */
static bool must_qualify(const struct analysis *a, const struct name_list *path, const struct ruleset_name *found)
{
	for (size_t i = 0; i < path->count; i++) {
		const char *schema = path->names[i];
		if (strcmp(schema, "$user") == 0)
			schema = session_state_user(a->state);
		if (!schema)
			continue;
		if (strcmp(schema, found->physical.schema) == 0 &&
		    strcmp(found->written.name, found->physical.name) == 0)
			return false;
		if (a->ruleset->facts ? ruleset_relation_exists(a->ruleset, schema, found->written.name, a->state)
				      : ruleset_find(a->ruleset, schema, found->written.name) != NULL)
			return true;
	}
	return false;
}

static size_t temp_place(const struct name_list *path)
{
	for (size_t i = 0; i < path->count; i++) {
		if (strcmp(path->names[i], "pg_temp") == 0)
			return i;
	}
	return 0;
}

static struct resolved unqualified(struct analysis *a, const char *name, size_t offset)
{
	a->depends_on_state = true;
	const struct name_list *session_path = session_state_search_path(a->state);
	if (!session_path) {
		if (!a->needs_search_path)
			a->needs_search_path_at = offset;
		a->needs_search_path = true;
		return (struct resolved){ NULL, "unknown search_path", false };
	}
	struct name_list path = effective_path(a, session_path);
	if (session_state_has_temp(a->state, name)) {
		/* The temporary schema comes first unless search_path puts it elsewhere. */
		struct name_list before = { path.names, temp_place(&path) };
		const struct ruleset_name *found = by_path(a, &before, name);
		return found ? (struct resolved){ found, "search_path", must_qualify(a, &path, found) }
			     : (struct resolved){ NULL, "temporary table", false };
	}
	const struct ruleset_name *found = by_path(a, &path, name);
	if (!found)
		return (struct resolved){ NULL, "another relation of the search_path", false };
	return (struct resolved){ found, "search_path", must_qualify(a, &path, found) };
}

/* ---- indexes that the session has made ---- */

static const struct ruleset_name *made_on(struct analysis *a, const struct ruleset_entry *entry, const char *schema,
					  const char *name)
{
	enum side side = entry->physical == SIDE_OLD ? SIDE_NEW : SIDE_OLD;
	const char *written = entry->names[side].schema, *physical = entry->names[entry->physical].schema;
	if (!written || !physical || strcmp(written, schema) != 0 || strcmp(written, physical) == 0 ||
	    !session_state_made_constraint(a->state, physical, name))
		return NULL;
	struct ruleset_name *made = ARENA_NEW(a->arena, struct ruleset_name);
	const char *own = arena_strdup(a->arena, name);
	made->written = (struct rel_name){ written, own };
	made->physical = (struct rel_name){ physical, own };
	made->entry = entry;
	made->side = side;
	made->kind = NAME_INDEX;
	return made;
}

/* It is where its table is, and the facts do not tell of it yet. */
static const struct ruleset_name *made_in(struct analysis *a, const char *schema, const char *name)
{
	const struct ruleset_name *made = NULL;
	for (size_t i = 0; i < a->ruleset->entry_count && !made; i++)
		made = made_on(a, &a->ruleset->entries[i], schema, name);
	return made;
}

static const struct ruleset_name *made_by_session(struct analysis *a, const char *schema, const char *name)
{
	const struct name_list given_path = { &schema, 1 }, *path = schema ? &given_path : session_state_search_path(a->state);
	const struct ruleset_name *made = NULL;
	size_t count = path && session_state_has_own_relations(a->state) ? path->count : 0;
	for (size_t i = 0; i < count && !made; i++) {
		if (ruleset_relation_exists(a->ruleset, path->names[i], name, a->state))
			return NULL;
		made = made_in(a, path->names[i], name);
	}
	return made;
}

/* ---- all names ---- */

static bool is_other_database(const struct analysis *a, struct written_name written)
{
	return given(written.database) && strcmp(written.database, session_state_database(a->state)) != 0;
}

struct resolved resolve_relation(struct analysis *a, struct written_name written, bool read, size_t offset)
{
	if (is_other_database(a, written))
		return (struct resolved){ NULL, "another database", false };
	if (given(written.schema)) {
		const struct ruleset_name *found = ruleset_find(a->ruleset, written.schema, written.name);
		found = found ? found : made_by_session(a, written.schema, written.name);
		return (struct resolved){ found, found ? "qualified" : "not in the map", false };
	}
	if (!ruleset_mentions(a->ruleset, written.name, strlen(written.name))) {
		const struct ruleset_name *made = made_by_session(a, NULL, written.name);
		return (struct resolved){ made, made ? "search_path" : "not in the map", false };
	}
	if (read && is_among(a->ctes, written.name))
		return (struct resolved){ NULL, "CTE", false };
	if (is_among(a->created, written.name))
		return (struct resolved){ NULL, "in the schema being created", false };
	return unqualified(a, written.name, offset);
}

static bool can_create_in(const struct analysis *a, const char *schema)
{
	const struct facts *facts = a->ruleset->facts;
	enum session_relation own = session_state_relation(a->state, schema, SESSION_WHOLE_SCHEMA);
	if (own != SESSION_RELATION_UNTOUCHED || !facts || facts->schema_count == 0)
		return own != SESSION_RELATION_DROPPED;
	return facts_has_schema(facts, schema) && facts_may_use(facts, session_state_user(a->state), schema);
}

/* The first schema of the path that exists. "$user" counts only where the catalog shows it. */
static const char *creation_schema(struct analysis *a, const struct name_list *path)
{
	for (size_t i = 0; i < path->count; i++) {
		const char *schema = path->names[i];
		if (strcmp(schema, "$user") == 0) {
			schema = session_state_user(a->state);
			if (!schema || !a->ruleset->facts || !facts_has_schema(a->ruleset->facts, schema))
				continue;
		}
		if (strcmp(schema, "pg_temp") == 0 || can_create_in(a, schema))
			return schema;
	}
	return NULL;
}

bool resolve_creates_temporary(struct analysis *a, const PgQuery__RangeVar *relation)
{
	const struct name_list *path = session_state_search_path(a->state);
	if (relation->relpersistence[0] == 't' || strcmp(relation->schemaname, "pg_temp") == 0)
		return true;
	if (given(relation->schemaname) || !path || a->schema_being_created)
		return false;
	const char *schema = creation_schema(a, path);
	return schema && strcmp(schema, "pg_temp") == 0;
}

struct resolved resolve_created(struct analysis *a, struct written_name written, size_t offset)
{
	if (given(written.schema))
		return resolve_relation(a, written, false, offset);
	if (!ruleset_mentions(a->ruleset, written.name, strlen(written.name)))
		return (struct resolved){ NULL, "not in the map", false };
	a->depends_on_state = true;
	const struct name_list *session_path = session_state_search_path(a->state);
	if (!session_path && !a->schema_being_created) {
		if (!a->needs_search_path)
			a->needs_search_path_at = offset;
		a->needs_search_path = true;
		return (struct resolved){ NULL, "unknown search_path", false };
	}
	const char *schema = a->schema_being_created ? a->schema_being_created : creation_schema(a, session_path);
	if (!schema)
		return (struct resolved){ NULL, "no schema to create in", false };
	const struct ruleset_name *found = ruleset_find(a->ruleset, schema, written.name);
	return (struct resolved){ found, found ? "first schema of the search_path" : "not in the map", false };
}

static void note_relation(struct analysis *a, enum effect_kind kind, const char *schema, const char *name)
{
	analysis_effect(a, (struct effect){ .kind = kind,
					    .name = arena_strdup(a->arena, name),
					    .value = arena_strdup(a->arena, schema) });
}

static bool could_shadow(const struct analysis *a, const char *schema, const char *name)
{
	return schema && ruleset_mentions(a->ruleset, name, strlen(name)) &&
	       !ruleset_find(a->ruleset, schema, name);
}

void resolve_note_created(struct analysis *a, struct written_name written)
{
	const struct name_list *path = session_state_search_path(a->state);
	const char *schema = given(written.schema)	? written.schema :
			     a->schema_being_created ? a->schema_being_created :
			     path			? creation_schema(a, path) :
						       NULL;
	if (could_shadow(a, schema, written.name))
		note_relation(a, EFFECT_RELATION_CREATED, schema, written.name);
}

/* The schema in which the server would find the name; NULL: in none we know of. */
static const char *schema_of(struct analysis *a, struct written_name written)
{
	const struct name_list *path = session_state_search_path(a->state);
	if (given(written.schema))
		return written.schema;
	for (size_t i = 0; path && i < path->count; i++) {
		const char *schema = path->names[i];
		if (strcmp(schema, "$user") == 0)
			schema = session_state_user(a->state);
		if (schema && ruleset_relation_exists(a->ruleset, schema, written.name, a->state))
			return schema;
	}
	return NULL;
}

void resolve_note_dropped(struct analysis *a, struct written_name written)
{
	const char *schema = schema_of(a, written);
	if (could_shadow(a, schema, written.name))
		note_relation(a, EFFECT_RELATION_DROPPED, schema, written.name);
}

void resolve_note_moved(struct analysis *a, struct written_name written, const char *new_schema, const char *new_name)
{
	const char *schema = schema_of(a, written);
	resolve_note_dropped(a, written);
	schema = new_schema ? new_schema : schema;
	new_name = new_name ? new_name : written.name;
	if (could_shadow(a, schema, new_name))
		note_relation(a, EFFECT_RELATION_CREATED, schema, new_name);
}

void resolve_note_schema(struct analysis *a, const char *schema, bool created)
{
	note_relation(a, created ? EFFECT_RELATION_CREATED : EFFECT_RELATION_DROPPED, schema, SESSION_WHOLE_SCHEMA);
}

/* A table goes with its schema, and may shadow another one from then on. */
void resolve_note_schema_renamed(struct analysis *a, const char *schema, const char *new_schema)
{
	for (size_t i = 0; i < a->ruleset->entry_count; i++) {
		for (int side = SIDE_OLD; side <= SIDE_NEW; side++) {
			const char *name = a->ruleset->entries[i].names[side].name;
			if (name && could_shadow(a, new_schema, name) &&
			    ruleset_relation_exists(a->ruleset, schema, name, a->state))
				note_relation(a, EFFECT_RELATION_CREATED, new_schema, name);
		}
	}
	resolve_note_schema(a, schema, false);
	resolve_note_schema(a, new_schema, true);
}

bool resolve_is_retired(const struct ruleset_name *name)
{
	return name->side == SIDE_OLD && name->entry->stage == STAGE_COMPLETE && name->entry->kind != MAP_IDENTITY;
}

static void refuse_retired(struct analysis *a, const struct ruleset_name *name, size_t offset)
{
	struct slice written = resolve_spelled(a->arena, name->written);
	if (name->entry->kind == MAP_DROPPED) {
		struct error *error = analysis_refuse(a, offset, SQLSTATE_UNDEFINED_TABLE,
						      "table %s has been retired", written.data);
		error_detail(error, "%s", name->entry->map->reason ? name->entry->map->reason
								    : "The new schema has no table in its place.");
		error_hint(error, "Remove the statement from the application.");
		return;
	}
	/* The new name, even while the rows are still under the old one. */
	struct rel_name new_name = name->entry->names[SIDE_NEW];
	if (name->kind != NAME_TABLE)
		new_name.name = name->written.name;
	struct slice new_text = resolve_spelled(a->arena, new_name);
	struct error *error =
		analysis_refuse(a, offset, SQLSTATE_UNDEFINED_TABLE, "%s %s has been retired",
				name->kind == NAME_TABLE ? "table" : "relation", written.data);
	error_detail(error, "Its stage is complete: it is %s now, and the old name is no longer served.",
		     new_text.data);
	error_hint(error, "Write %s instead.", new_text.data);
}

static void refuse_columns(struct analysis *a, const struct ruleset_name *name, size_t offset, const char *why)
{
	struct slice written = resolve_spelled(a->arena, name->written);
	struct slice physical = resolve_spelled(a->arena, name->physical);
	struct error *error = analysis_refuse(a, offset, SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "table %s cannot be served from %s here", written.data, physical.data);
	error_detail(error, "%s", why);
	error_hint(error, "Write %s in its own columns, or keep the table at the stage that matches the code.",
		   physical.data);
}

/* Why a table whose columns differ cannot be served; NULL: it can. */
static const char *refusal_of_columns(const struct ruleset_entry *entry, enum columns_fate fate)
{
	if (!entry->shape || fate == COLUMNS_UNNAMED)
		return NULL;
	if (fate == COLUMNS_NAMED)
		return "The columns of the two tables differ, and this statement depends on them.";
	if (fate == COLUMNS_BOUND && entry->kind == MAP_TRANSFORM)
		return "It would stay bound to the table that holds the rows at present.";
	if (fate == COLUMNS_ALTERED && entry->kind == MAP_TRANSFORM)
		return "It would change one of two tables, which must go on fitting each other.";
	if (!entry->shape->known)
		return "The columns of the table are not known: neither the catalog nor the map's shape tells them.";
	return NULL;
}

enum verdict resolve_settle(struct analysis *a, struct resolved resolved, enum use_kind kind, enum columns_fate fate,
			    size_t offset)
{
	const struct ruleset_name *name = resolved.name;
	bool changes = !rel_name_eq(name->written, name->physical);
	if (resolve_is_retired(name)) {
		analysis_use(a, name, kind, USE_REFUSED);
		refuse_retired(a, name, offset);
		return VERDICT_REFUSED;
	}
	const char *why = changes && name->kind == NAME_TABLE ? refusal_of_columns(name->entry, fate) : NULL;
	if (why) {
		analysis_use(a, name, kind, USE_REFUSED);
		refuse_columns(a, name, offset, why);
		return VERDICT_REFUSED;
	}
	changes |= resolved.qualify;
	analysis_use(a, name, kind, changes ? USE_REWRITTEN : 0);
	return changes ? VERDICT_CHANGE : VERDICT_KEEP;
}
