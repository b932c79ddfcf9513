#include "model/session_level.h"

#include "base/memory.h"

#include <stdlib.h>

/* States made by one thread may be looked at by another's cache. */
void level_touch(struct level *level)
{
	static _Atomic uint64_t next_stamp;
	level->stamp = ++next_stamp;
}

struct text *text_new(const char *data)
{
	if (!data)
		return NULL;
	struct text *text = memory_alloc(sizeof(*text) + strlen(data) + 1);
	text->refs = 1;
	strcpy(text->data, data);
	return text;
}

struct text *text_ref(struct text *text)
{
	if (text)
		text->refs++;
	return text;
}

void text_unref(struct text *text)
{
	if (text && --text->refs == 0)
		free(text);
}

struct path *path_new(const char *value)
{
	struct path *path = memory_zalloc(sizeof(*path));
	path->refs = 1;
	arena_init(&path->arena);
	if (!value)
		return path;
	path->text = arena_strdup(&path->arena, value);
	path->known = name_list_parse(&path->arena, slice_str(value), &path->list);
	return path;
}

struct path *path_ref(struct path *path)
{
	path->refs++;
	return path;
}

void path_unref(struct path *path)
{
	if (--path->refs)
		return;
	arena_deinit(&path->arena);
	free(path);
}

static struct temps *temps_ref(struct temps *temps)
{
	if (temps)
		temps->refs++;
	return temps;
}

static void temps_unref(struct temps *temps)
{
	if (!temps || --temps->refs)
		return;
	for (size_t i = 0; i < temps->count; i++)
		free(temps->items[i].name);
	free(temps);
}

/* A copy without skip (by name) and without ON COMMIT DROP ones, if so asked; plus one. */
static struct temps *temps_change(const struct temps *old, const char *skip, bool skip_on_commit, const char *add,
				  bool add_on_commit)
{
	size_t count = old ? old->count : 0, kept = 0;
	struct temps *changed = memory_zalloc(sizeof(*changed) + (count + 1) * sizeof(struct temp));
	changed->refs = 1;
	for (size_t i = 0; i < count; i++) {
		const struct temp *item = &old->items[i];
		if ((skip && strcmp(item->name, skip) == 0) || (skip_on_commit && item->on_commit_drop))
			continue;
		changed->items[kept++] = (struct temp){ memory_strdup(item->name), item->on_commit_drop };
	}
	if (add)
		changed->items[kept++] = (struct temp){ memory_strdup(add), add_on_commit };
	changed->count = kept;
	if (!kept) {
		free(changed);
		return NULL;
	}
	return changed;
}

/* Older notes give way: nobody makes so many shadows of mapped names in one transaction. */
enum { OVERLAY_MAX = 256 };

static struct overlay *overlay_ref(struct overlay *overlay)
{
	if (overlay)
		overlay->refs++;
	return overlay;
}

static void overlay_unref(struct overlay *overlay)
{
	if (!overlay || --overlay->refs)
		return;
	for (size_t i = 0; i < overlay->count; i++) {
		free(overlay->items[i].schema);
		free(overlay->items[i].name);
	}
	free(overlay);
}

static bool is_item(const struct overlay_item *item, enum overlay_kind kind, const char *schema, const char *name)
{
	return item->kind == kind && strcmp(item->schema, schema) == 0 && strcmp(item->name, name) == 0;
}

void path_assign(struct path **slot, struct path *path)
{
	path_ref(path);
	path_unref(*slot);
	*slot = path;
}

void text_assign(struct text **slot, struct text *text)
{
	text_ref(text);
	text_unref(*slot);
	*slot = text;
}

static void set_temps(struct level *level, struct temps *temps)
{
	temps_unref(level->temps);
	level->temps = temps;
}

struct level level_copy(const struct level *from)
{
	struct level copy = *from;
	overlay_ref(copy.overlay);
	text_ref(copy.name);
	path_ref(copy.path);
	path_ref(copy.session_path);
	text_ref(copy.role);
	text_ref(copy.session_role);
	text_ref(copy.session_user);
	temps_ref(copy.temps);
	return copy;
}

void level_deinit(struct level *level)
{
	overlay_unref(level->overlay);
	text_unref(level->name);
	path_unref(level->path);
	path_unref(level->session_path);
	text_unref(level->role);
	text_unref(level->session_role);
	text_unref(level->session_user);
	temps_unref(level->temps);
}

static bool has_on_commit_drop(const struct level *level)
{
	for (size_t i = 0; level->temps && i < level->temps->count; i++) {
		if (level->temps->items[i].on_commit_drop)
			return true;
	}
	return false;
}

static bool has_local(const struct level *level)
{
	return level->path != level->session_path || level->role != level->session_role ||
	       level->standard_strings != level->session_standard_strings ||
	       level->encoding != level->session_encoding || level->temps_unknown != level->session_temps_unknown ||
	       level->role_unknown != level->session_role_unknown || has_on_commit_drop(level);
}

void level_end_local(struct level *level)
{
	if (!has_local(level))
		return;
	level_touch(level);
	path_assign(&level->path, level->session_path);
	text_assign(&level->role, level->session_role);
	level->standard_strings = level->session_standard_strings;
	level->encoding = level->session_encoding;
	level->temps_unknown = level->session_temps_unknown;
	level->role_unknown = level->session_role_unknown;
	set_temps(level, temps_change(level->temps, NULL, true, NULL, false));
}

void level_set_search_path(struct level *level, struct path *path, bool local)
{
	path_assign(&level->path, path);
	if (!local)
		path_assign(&level->session_path, path);
}

void level_set_role(struct level *level, const char *role, bool local)
{
	struct text *text = role && strcmp(role, "none") != 0 ? text_new(role) : NULL;
	text_assign(&level->role, text);
	level->role_unknown = false;
	if (!local) {
		text_assign(&level->session_role, text);
		level->session_role_unknown = false;
	}
	text_unref(text);
}

void level_set_standard_strings(struct level *level, bool on, bool local)
{
	level->standard_strings = on;
	if (!local)
		level->session_standard_strings = on;
}

void level_set_encoding(struct level *level, enum encoding_class encoding, bool local)
{
	level->encoding = encoding;
	if (!local)
		level->session_encoding = encoding;
}

bool level_has_temp(const struct level *level, const char *name)
{
	for (size_t i = 0; level->temps && i < level->temps->count; i++) {
		if (strcmp(level->temps->items[i].name, name) == 0)
			return true;
	}
	return false;
}

void level_add_temp(struct level *level, const char *name, bool on_commit_drop)
{
	set_temps(level, temps_change(level->temps, name, false, name, on_commit_drop));
}

void level_drop_temp(struct level *level, const char *name)
{
	set_temps(level, temps_change(level->temps, name, false, NULL, false));
}

void level_drop_temps(struct level *level)
{
	level->temps_unknown = level->session_temps_unknown = false;
	set_temps(level, NULL);
}

void level_note(struct level *level, enum overlay_kind kind, const char *schema, const char *name, bool present)
{
	const struct overlay *old = level->overlay;
	size_t count = old ? old->count : 0, kept = 0;
	struct overlay *changed = memory_zalloc(sizeof(*changed) + (count + 1) * sizeof(*changed->items));
	changed->refs = 1;
	for (size_t i = count >= OVERLAY_MAX ? 1 : 0; i < count; i++) {
		const struct overlay_item *item = &old->items[i];
		if (!is_item(item, kind, schema, name))
			changed->items[kept++] = (struct overlay_item){
				item->kind, memory_strdup(item->schema), memory_strdup(item->name), item->present
			};
	}
	changed->items[kept++] =
		(struct overlay_item){ kind, memory_strdup(schema), memory_strdup(name), present };
	changed->count = kept;
	overlay_unref(level->overlay);
	level->overlay = changed;
}

void level_forget_relations(struct level *level)
{
	overlay_unref(level->overlay);
	level->overlay = NULL;
}

enum session_relation level_relation(const struct level *level, const char *schema, const char *name)
{
	enum session_relation found = SESSION_RELATION_UNTOUCHED;
	for (size_t i = 0; level->overlay && i < level->overlay->count; i++) {
		const struct overlay_item *item = &level->overlay->items[i];
		if (is_item(item, OVERLAY_RELATION, schema, name))
			found = item->present ? SESSION_RELATION_CREATED : SESSION_RELATION_DROPPED;
		else if (is_item(item, OVERLAY_RELATION, schema, SESSION_WHOLE_SCHEMA) && !item->present)
			found = SESSION_RELATION_DROPPED;
	}
	return found;
}

bool level_has_constraint(const struct level *level, const char *schema, const char *name)
{
	for (size_t i = 0; level->overlay && i < level->overlay->count; i++) {
		if (is_item(&level->overlay->items[i], OVERLAY_CONSTRAINT, schema, name))
			return true;
	}
	return false;
}

/* Both names of a table as one; no identifier has that byte. */
static char *table_key(const char *schema, const char *table)
{
	size_t schema_len = strlen(schema), table_len = strlen(table);
	char *key = memory_alloc(schema_len + table_len + 2);
	memcpy(key, schema, schema_len);
	key[schema_len] = '\1';
	memcpy(key + schema_len + 1, table, table_len + 1);
	return key;
}

void level_add_column(struct level *level, const char *schema, const char *table, const char *name)
{
	char *key = table_key(schema, table);
	level_note(level, OVERLAY_COLUMN, key, name, true);
	free(key);
}

const char *level_added_column(const struct level *level, const char *schema, const char *table, size_t index)
{
	size_t len = strlen(schema), found = 0;
	for (size_t i = 0; level->overlay && i < level->overlay->count; i++) {
		const struct overlay_item *item = &level->overlay->items[i];
		if (item->kind == OVERLAY_COLUMN && strncmp(item->schema, schema, len) == 0 && item->schema[len] == '\1' &&
		    strcmp(item->schema + len + 1, table) == 0 && found++ == index)
			return item->name;
	}
	return NULL;
}
