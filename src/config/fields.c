/* Loading settings by their table of fields (config/field_docs.c shows them). */
#include "config/fields.h"

#include "config/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct suffix {
	const char *text;
	uint64_t factor;
};

static const struct suffix byte_suffixes[] = {
	{ "B", 1 }, { "kB", 1 << 10 }, { "MB", 1 << 20 }, { "GB", 1 << 30 }, { "TB", 1ULL << 40 },
};
static const struct suffix time_suffixes[] = {
	{ "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 },
};
enum { SUFFIX_COUNT = 5 };

/* ---- storing ---- */

static void store(const struct field *field, void *place, uint64_t number)
{
	if (field->size == 1)
		*(uint8_t *)place = (uint8_t)number;
	else if (field->size == 2)
		*(uint16_t *)place = (uint16_t)number;
	else if (field->size == 4)
		*(uint32_t *)place = (uint32_t)number;
	else
		*(uint64_t *)place = number;
}

static uint64_t most(const struct field *field)
{
	uint64_t fits = field->size >= 8 ? INT64_MAX : (1ULL << (field->size * 8)) - 1;
	return field->max && field->max < fits ? field->max : fits;
}

/* ---- numbers ---- */

static const char *what_number(const struct field *field)
{
	if (field->kind == FIELD_BYTES)
		return "a size such as 64kB or 8MB";
	return field->kind == FIELD_DURATION ? "a duration such as 500ms, 60s or 35d" : "a whole number";
}

static bool fail_number(struct field_context *context, const struct field *field, const struct yaml_value *value)
{
	FIELD_FAIL(context, value, "`%s` must be %s%s%s%s", field->path, what_number(field), field->zero ? ", or `" : "",
	     field->zero ? field->zero : "", field->zero ? "`" : "");
	return false;
}

static void append_number(const struct field *field, uint64_t number, struct buf *out);

static bool fail_range(struct field_context *context, const struct field *field, const struct yaml_value *value)
{
	struct buf range;
	buf_init(&range);
	append_number(field, field->min, &range);
	buf_append_str(&range, " to ");
	append_number(field, most(field), &range);
	FIELD_FAIL(context, value, "`%s` is out of range", field->path);
	error_hint(context->error, "It takes %s.", buf_cstr(&range));
	buf_deinit(&range);
	return false;
}

static bool find_factor(const struct field *field, const char *suffix, uint64_t number, uint64_t *factor_out)
{
	const struct suffix *suffixes = field->kind == FIELD_BYTES ? byte_suffixes : time_suffixes;
	if (!*suffix) {
		*factor_out = 1;
		return field->kind != FIELD_DURATION || number == 0;
	}
	for (size_t i = 0; field->kind != FIELD_INT && i < SUFFIX_COUNT; i++) {
		if (strcmp(suffix, suffixes[i].text) == 0) {
			*factor_out = suffixes[i].factor;
			return true;
		}
	}
	return false;
}

static bool parse_number(struct field_context *context, const struct field *field,
			 const struct yaml_value *value, void *place)
{
	uint64_t number = 0, factor;
	char *end;
	if (value->kind != YAML_TEXT)
		return fail_number(context, field, value);
	if (field->zero && strcmp(value->text, field->zero) == 0) {
		store(field, place, 0);
		return true;
	}
	if (!isdigit((unsigned char)value->text[0]))
		return fail_number(context, field, value);
	errno = 0;
	number = strtoull(value->text, &end, 10);
	bool overflow = errno == ERANGE;
	if (!find_factor(field, end + strspn(end, " "), number, &factor))
		return fail_number(context, field, value);
	if (overflow || __builtin_mul_overflow(number, factor, &number))
		return fail_range(context, field, value);
	if (field->kind == FIELD_DURATION && number % field->stored_ms)
		return FIELD_FAIL(context, value, "`%s` is counted in whole %s", field->path,
			    field->stored_ms == 1000 ? "seconds" : "units");
	if (field->kind == FIELD_DURATION)
		number /= field->stored_ms;
	if (number < field->min || number > most(field))
		return fail_range(context, field, value);
	store(field, place, number);
	return true;
}

/* ---- the other kinds ---- */

static bool parse_bool(struct field_context *context, const struct field *field, const struct yaml_value *value,
		       void *place)
{
	static const char *const words[2][3] = { { "false", "no", "off" }, { "true", "yes", "on" } };
	for (unsigned b = 0; value->kind == YAML_TEXT && b < 2; b++) {
		for (unsigned i = 0; i < 3; i++) {
			if (strcmp(value->text, words[b][i]) == 0) {
				store(field, place, b);
				return true;
			}
		}
	}
	return FIELD_FAIL(context, value, "`%s` must be true or false", field->path);
}

static bool parse_enum(struct field_context *context, const struct field *field, const struct yaml_value *value,
		       void *place)
{
	size_t count = 0;
	for (; field->words[count]; count++) {
		if (value->kind == YAML_TEXT && strcmp(value->text, field->words[count]) == 0) {
			store(field, place, count);
			return true;
		}
	}
	struct buf words;
	buf_init(&words);
	for (size_t i = 0; i < count; i++)
		buf_printf(&words, "%s%s", !i ? "" : i + 1 < count ? ", " : " or ", field->words[i]);
	if (value->kind == YAML_TEXT)
		FIELD_FAIL(context, value, "`%s` must be %s, but is `%s`", field->path, buf_cstr(&words), value->text);
	else
		FIELD_FAIL(context, value, "`%s` must be %s", field->path, buf_cstr(&words));
	buf_deinit(&words);
	const char *near = value->kind == YAML_TEXT ? suggest_word(value->text, field->words, count) : NULL;
	if (near)
		error_hint(context->error, "Did you mean `%s`?", near);
	return false;
}

bool field_text(struct field_context *context, const struct field *field, const struct yaml_value *value,
		const char **text_out)
{
	char what[96];
	snprintf(what, sizeof(what), "`%s`", field->path);
	if (!yaml_expect(context->doc, value, YAML_TEXT, what, context->error))
		return false;
	if (!value->text[0])
		return FIELD_FAIL(context, value, "%s must not be empty", what);
	*text_out = arena_strdup(context->arena, value->text);
	return true;
}

bool field_path(struct field_context *context, const struct yaml_value *value, const char **path_out)
{
	if (!yaml_expect(context->doc, value, YAML_TEXT, "a path", context->error))
		return false;
	if (!value->text[0])
		return FIELD_FAIL(context, value, "a path must not be empty");
	bool absolute = value->text[0] == '/' || strcmp(context->folder, ".") == 0;
	*path_out = absolute ? arena_strdup(context->arena, value->text)
			     : arena_printf(context->arena, "%s/%s", context->folder, value->text);
	return true;
}

static bool is_empty(const struct yaml_value *value)
{
	return yaml_is_null(value) || (value->kind != YAML_TEXT && value->count == 0);
}

static bool parse_field(struct field_context *context, const struct field *field, const struct yaml_value *value,
			void *settings)
{
	void *place = (char *)settings + field->offset;
	if (is_empty(value) && value->kind != YAML_LIST && !field->required)
		return true; /* the key alone means its default */
	switch (field->kind) {
	case FIELD_BOOL:
		return parse_bool(context, field, value, place);
	case FIELD_INT:
	case FIELD_BYTES:
	case FIELD_DURATION:
		return parse_number(context, field, value, place);
	case FIELD_ENUM:
		return parse_enum(context, field, value, place);
	case FIELD_TEXT:
		return field_text(context, field, value, place);
	case FIELD_PATH:
		return field_path(context, value, place);
	case FIELD_CUSTOM:
		return field->parse(context, field, value, place);
	}
	return false;
}

/* ---- the tree ---- */

struct scope {
	struct field_context *context;
	struct field_table table;
	void *settings;
	bool *seen;
};

static bool starts_below(const char *path, const char *prefix, size_t len)
{
	return strncmp(path, prefix, len) == 0 && path[len] == '.';
}

static const struct field *find_field(struct field_table table, const char *path, bool *is_section_out)
{
	size_t len = strlen(path);
	*is_section_out = false;
	for (size_t i = 0; i < table.count; i++) {
		if (strcmp(table.fields[i].path, path) == 0)
			return &table.fields[i];
		*is_section_out |= starts_below(table.fields[i].path, path, len);
	}
	return NULL;
}

/* The keys that may stand below prefix ("" at the top). */
static size_t keys_below(struct field_table table, const char *prefix, struct arena *arena,
			 const char ***keys_out)
{
	size_t count = 0, len = strlen(prefix);
	*keys_out = ARENA_ARRAY(arena, table.count + 1, const char *);
	for (size_t i = 0; i < table.count; i++) {
		const char *path = table.fields[i].path;
		if (len && !starts_below(path, prefix, len))
			continue;
		const char *key = path + (len ? len + 1 : 0);
		(*keys_out)[count++] = arena_copy(arena, key, strcspn(key, "."));
	}
	return count;
}

static bool unknown_key(struct scope *scope, const char *prefix, const struct yaml_value *key)
{
	const char **keys;
	size_t count = keys_below(scope->table, prefix, scope->context->arena, &keys);
	const char *near = suggest_word(key->text, keys, count);
	if (*prefix)
		FIELD_FAIL(scope->context, key, "unknown key `%s` in `%s`", key->text, prefix);
	else
		FIELD_FAIL(scope->context, key, "unknown key `%s`", key->text);
	if (near)
		error_hint(scope->context->error, "Did you mean `%s`?", near);
	else
		error_hint(scope->context->error, "`crossfade config --defaults` lists all keys.");
	return false;
}

static bool load_section(struct scope *scope, const char *prefix, const struct yaml_value *map);

static bool load_key(struct scope *scope, const char *prefix, const struct yaml_value *key,
		     const struct yaml_value *value)
{
	bool is_section;
	char what[128];
	const char *path = *prefix ? arena_printf(scope->context->arena, "%s.%s", prefix, key->text) : key->text;
	const struct field *field = find_field(scope->table, path, &is_section);
	if (strchr(key->text, '.'))
		return unknown_key(scope, prefix, key);
	if (field) {
		scope->seen[field - scope->table.fields] = true;
		return parse_field(scope->context, field, value, scope->settings);
	}
	if (!is_section)
		return unknown_key(scope, prefix, key);
	if (yaml_is_null(value))
		return true;
	snprintf(what, sizeof(what), "`%s`", path);
	return yaml_expect(scope->context->doc, value, YAML_MAP, what, scope->context->error) &&
	       load_section(scope, path, value);
}

static bool load_section(struct scope *scope, const char *prefix, const struct yaml_value *map)
{
	for (size_t i = 0; i < map->count; i++) {
		if (!load_key(scope, prefix, &map->keys[i], &map->items[i]))
			return false;
	}
	return true;
}

static bool has_instead(const struct scope *scope, const struct field *field)
{
	for (size_t i = 0; field->unless && i < scope->table.count; i++) {
		if (strcmp(scope->table.fields[i].path, field->unless) == 0)
			return scope->seen[i];
	}
	return false;
}

static bool check_required(struct scope *scope)
{
	for (size_t i = 0; i < scope->table.count; i++) {
		const struct field *field = &scope->table.fields[i];
		if (!field->required || scope->seen[i] || has_instead(scope, field))
			continue;
		FIELD_FAIL(scope->context, &scope->context->doc->root, "`%s` is missing", field->path);
		if (field->example)
			error_hint(scope->context->error, "Write `%s: %s`, for example.", field->path, field->example);
		return false;
	}
	return true;
}

bool fields_load(struct field_table table, const struct yaml_doc *doc, const char *folder, struct arena *arena,
		 void *settings, struct error *error_out)
{
	struct field_context context = { doc, arena, folder, error_out };
	struct scope scope = { &context, table, settings, ARENA_ARRAY(arena, table.count, bool) };
	return yaml_expect(doc, &doc->root, YAML_MAP, "the configuration", error_out) &&
	       load_section(&scope, "", &doc->root) && check_required(&scope);
}

/* ---- formatting ---- */

static uint64_t fetch(const struct field *field, const void *place)
{
	if (field->size == 1)
		return *(const uint8_t *)place;
	if (field->size == 2)
		return *(const uint16_t *)place;
	return field->size == 4 ? *(const uint32_t *)place : *(const uint64_t *)place;
}

static void append_number(const struct field *field, uint64_t number, struct buf *out)
{
	const struct suffix *suffixes = field->kind == FIELD_BYTES ? byte_suffixes : time_suffixes;
	if (field->zero && number == 0) {
		buf_append_str(out, field->zero);
		return;
	}
	if (field->kind == FIELD_INT || number == 0) {
		buf_printf(out, "%" PRIu64, number);
		return;
	}
	if (field->kind == FIELD_DURATION)
		number *= field->stored_ms;
	size_t best = 0;
	for (size_t i = 0; i < SUFFIX_COUNT; i++) {
		if (number % suffixes[i].factor == 0)
			best = i;
	}
	if (best == 0 && field->kind == FIELD_BYTES)
		buf_printf(out, "%" PRIu64, number);
	else
		buf_printf(out, "%" PRIu64 "%s", number / suffixes[best].factor, suffixes[best].text);
}

static void append_optional(const char *text, struct buf *out)
{
	if (text)
		yaml_append_text(out, text);
	else
		buf_append_str(out, "null");
}

static void append_hidden(const struct field *field, const void *settings, struct buf *out)
{
	struct buf value;
	buf_init(&value);
	field_format(field, settings, true, &value);
	buf_append_str(out, slice_is(buf_slice(&value), "null") ? "null" : "\"(hidden)\"");
	buf_deinit(&value);
}

void field_format(const struct field *field, const void *settings, bool reveal, struct buf *out)
{
	const void *place = (const char *)settings + field->offset;
	const char *text = NULL;
	if (field->secret && !reveal) {
		append_hidden(field, settings, out);
		return;
	}
	switch (field->kind) {
	case FIELD_BOOL:
		buf_append_str(out, fetch(field, place) ? "true" : "false");
		break;
	case FIELD_INT:
	case FIELD_BYTES:
	case FIELD_DURATION:
		append_number(field, fetch(field, place), out);
		break;
	case FIELD_ENUM:
		buf_append_str(out, field->words[fetch(field, place)]);
		break;
	case FIELD_TEXT:
	case FIELD_PATH:
		memcpy(&text, place, sizeof(text));
		append_optional(text, out);
		break;
	case FIELD_CUSTOM:
		field->format(field, place, out);
		break;
	}
}

void fields_compare(struct field_table table, const void *before, const void *after,
		    void (*on_change)(void *context, const struct field *field), void *context)
{
	struct buf was, is;
	buf_init(&was);
	buf_init(&is);
	for (size_t i = 0; i < table.count; i++) {
		const struct field *field = &table.fields[i];
		if (field->reloadable)
			continue;
		buf_clear(&was);
		buf_clear(&is);
		field_format(field, before, true, &was);
		field_format(field, after, true, &is);
		if (!slice_eq(buf_slice(&was), buf_slice(&is)))
			on_change(context, field);
	}
	buf_deinit(&was);
	buf_deinit(&is);
}
