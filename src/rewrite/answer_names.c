#include "rewrite/answer_names.h"

enum {
	MOVED_MAX = 64,		  /* entries of one statement that are looked at */
	MESSAGE_MAX_BYTES = 4096, /* longer ones are no messages of the server's own */
};

/* An entry that the statement names on the side without rows, and on no other. */
struct moved {
	const struct ruleset_entry *entry;
	enum side side; /* that was written */
};

struct translation {
	const struct answer *answer;
	const struct answer_fields *fields;
	struct moved moved[MOVED_MAX];
	size_t moved_count;
	bool of_data;  /* class 23, 42501, 42P07: speaks of the tables found, whatever the text calls them */
	bool of_text;  /* 42P01, 42703: speaks of names as the text has them */
};

static struct rel_name written_of(const struct moved *moved)
{
	return moved->entry->names[moved->side];
}

static struct rel_name physical_of(const struct moved *moved)
{
	return moved->entry->names[side_other(moved->side)];
}

/* ---- which entries ---- */

static bool is_ascii(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text >= 0x80)
			return false;
	}
	return true;
}

static bool can_be_told(const struct answer *answer, struct rel_name name)
{
	return name.name && (answer->encoding == ENCODING_UTF8 || (is_ascii(name.schema) && is_ascii(name.name)));
}

static bool is_used(const struct statement_shape *shape, const struct use *other)
{
	for (size_t i = 0; i < shape->use_count; i++) {
		const struct use *use = &shape->uses[i];
		if (use->side != other->side && strcmp(use->table, other->table) == 0)
			return true;
	}
	return false;
}

static void find_moved(struct translation *t)
{
	const struct statement_shape *shape = t->answer->shape;
	for (size_t i = 0; i < shape->use_count && t->moved_count < MOVED_MAX; i++) {
		const struct use *use = &shape->uses[i];
		if (!(use->flags & USE_REWRITTEN) || is_used(shape, use))
			continue;
		struct moved moved = { ruleset_entry_by_key(t->answer->ruleset, use->table), (enum side)use->side };
		if (moved.entry && can_be_told(t->answer, written_of(&moved)) &&
		    can_be_told(t->answer, physical_of(&moved)))
			t->moved[t->moved_count++] = moved;
	}
}

/* ---- single names ---- */

static const struct moved *by_full_name(const struct translation *t, struct slice schema, struct slice table)
{
	for (size_t i = 0; i < t->moved_count; i++) {
		struct rel_name name = physical_of(&t->moved[i]);
		if (slice_is(schema, name.schema) && slice_is(table, name.name))
			return &t->moved[i];
	}
	return NULL;
}

/* NULL also where two tables have that name. */
static const struct moved *by_table(const struct translation *t, struct slice table)
{
	const struct moved *found = NULL;
	if (t->fields->schema.data && slice_eq(table, t->fields->table))
		return by_full_name(t, t->fields->schema, table);
	for (size_t i = 0; i < t->moved_count; i++) {
		if (!slice_is(table, physical_of(&t->moved[i]).name))
			continue;
		if (found && found->entry != t->moved[i].entry)
			return NULL;
		found = &t->moved[i];
	}
	return found;
}

static const char *column_of(const struct moved *moved, struct slice column)
{
	const struct shape *shape = moved->entry->shape;
	if (!shape)
		return NULL;
	bool forth = moved->entry->physical != moved->side;
	for (size_t i = 0; i < shape->written_count; i++) {
		const struct shape_column *candidate = &shape->written[i];
		if (candidate->from != SHAPE_COLUMN)
			continue;
		if (slice_is(column, forth ? candidate->column : candidate->name))
			return forth ? candidate->name : candidate->column;
	}
	return NULL;
}

/* NULL also where it is another one in another table. */
static const char *column_by_name(const struct translation *t, struct slice column)
{
	const char *found = NULL;
	if (t->fields->table.data) {
		const struct moved *table = by_full_name(t, t->fields->schema, t->fields->table);
		return table ? column_of(table, column) : NULL;
	}
	for (size_t i = 0; i < t->moved_count; i++) {
		const char *name = column_of(&t->moved[i], column);
		if (name && found && strcmp(name, found) != 0)
			return NULL;
		found = name ? name : found;
	}
	return found;
}

/* ---- the fields ---- */

/* Fields name a table exactly. One that the statement did not name (the other end of a foreign
 * key) goes by its name on the side that the statement was written for. */
static struct moved table_of_fields(const struct translation *t)
{
	const struct moved *named = by_full_name(t, t->fields->schema, t->fields->table);
	struct moved other = { NULL, t->moved[0].side };
	if (named)
		return *named;
	for (size_t i = 0; i < t->answer->ruleset->entry_count; i++) {
		const struct ruleset_entry *entry = &t->answer->ruleset->entries[i];
		struct moved candidate = { entry, other.side };
		struct rel_name physical = physical_of(&candidate);
		if (entry->physical != other.side && physical.name && slice_is(t->fields->schema, physical.schema) &&
		    slice_is(t->fields->table, physical.name) && can_be_told(t->answer, written_of(&candidate)))
			return candidate;
	}
	return other;
}

static void translate_fields(const struct translation *t, struct answer_changes *changes)
{
	const struct answer_fields *fields = t->fields;
	struct moved table = { NULL, SIDE_OLD };
	if (fields->schema.data && fields->table.data)
		table = table_of_fields(t);
	if (!table.entry)
		return;
	struct rel_name written = written_of(&table);
	changes->schema = slice_str(written.schema);
	changes->table = slice_str(written.name);
	if (fields->column.data)
		changes->column = slice_str(column_of(&table, fields->column));
}

/* ---- the message ---- */

/* What the word before a quoted name says it is, in English. Other languages: any. */
enum said { SAID_ANYTHING, SAID_TABLE, SAID_COLUMN, SAID_OTHER };

static enum said said_before(struct slice message, size_t quote)
{
	static const struct {
		const char *word;
		enum said said;
	} words[] = { { "relation", SAID_TABLE },   { "table", SAID_TABLE },	 { "view", SAID_TABLE },
		      { "column", SAID_COLUMN },    { "constraint", SAID_OTHER }, { "index", SAID_OTHER },
		      { "schema", SAID_OTHER },	    { "role", SAID_OTHER },	 { "function", SAID_OTHER },
		      { "type", SAID_OTHER },	    { "database", SAID_OTHER },	 { "trigger", SAID_OTHER },
		      { "policy", SAID_OTHER },	    { "domain", SAID_OTHER } };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i].word);
		if (quote > len && message.data[quote - 1] == ' ' &&
		    memcmp(message.data + quote - 1 - len, words[i].word, len) == 0)
			return words[i].said;
	}
	return SAID_ANYTHING;
}

/* "schema.table": of a table, or of what a move takes along under its own name. */
static bool translate_qualified(const struct translation *t, struct slice token, struct buf *out)
{
	const char *dot = memchr(token.data, '.', token.len);
	char schema[NAME_MAX_BYTES + 1], name[NAME_MAX_BYTES + 1];
	if (!dot || (size_t)(dot - token.data) > NAME_MAX_BYTES ||
	    token.len - (size_t)(dot - token.data) - 1 > NAME_MAX_BYTES)
		return false;
	size_t schema_len = (size_t)(dot - token.data), name_len = token.len - schema_len - 1;
	memcpy(schema, token.data, schema_len);
	memcpy(name, dot + 1, name_len);
	schema[schema_len] = name[name_len] = '\0';
	const struct ruleset_name *found = ruleset_find(t->answer->ruleset, schema, name);
	for (size_t i = 0; found && i < t->moved_count; i++) {
		struct rel_name written = written_of(&t->moved[i]);
		const char *said = found->kind == NAME_TABLE ? written.name : name;
		if (found->entry != t->moved[i].entry || found->side == t->moved[i].side)
			continue;
		/* What was written without a schema is spoken of without one. */
		if (!t->answer->at_replaced || t->answer->replaced_len > strlen(said) + 2)
			buf_printf(out, "%s.", written.schema);
		buf_append_str(out, said);
		return true;
	}
	return false;
}

static bool translate_table(const struct translation *t, struct slice token, enum said said, struct buf *out)
{
	const struct answer *answer = t->answer;
	bool own_word = t->of_text && answer->has_position && !answer->at_replaced;
	/* "column … of relation" speaks of the relation that was found. */
	bool found = said == SAID_TABLE && slice_is(t->fields->sqlstate, "42703");
	if (own_word && !found)
		return false;
	if (memchr(token.data, '.', token.len))
		return translate_qualified(t, token, out);
	const struct moved *table = t->of_data || found || answer->at_replaced ? by_table(t, token) : NULL;
	if (!table)
		return false;
	buf_append_str(out, written_of(table).name);
	return true;
}

static bool translate_column(const struct translation *t, struct slice token, struct buf *out)
{
	if (t->of_text && !t->answer->at_replaced)
		return false;
	const char *name = column_by_name(t, token);
	if (name)
		buf_append_str(out, name);
	return name != NULL;
}

static bool translate_token(const struct translation *t, struct slice token, enum said said, struct buf *out)
{
	if (said == SAID_OTHER || slice_eq(token, t->fields->constraint))
		return false;
	if (said == SAID_ANYTHING && t->fields->column.data && slice_eq(token, t->fields->column))
		said = SAID_COLUMN;
	if (said != SAID_COLUMN && translate_table(t, token, said, out))
		return true;
	return said != SAID_TABLE && translate_column(t, token, out);
}

/* Quoted names; false: none was translated. */
static bool translate_quoted(const struct translation *t, struct slice message, struct buf *out)
{
	bool any = false;
	size_t at = 0;
	while (at < message.len) {
		const char *open = memchr(message.data + at, '"', message.len - at);
		size_t start = open ? (size_t)(open - message.data) + 1 : 0;
		const char *close = open ? memchr(open + 1, '"', message.len - start) : NULL;
		if (!close)
			break;
		struct slice token = slice_of(open + 1, (size_t)(close - open) - 1);
		buf_append(out, message.data + at, start - at);
		if (translate_token(t, token, said_before(message, start - 1), out))
			any = true;
		else
			buf_append_slice(out, token);
		buf_append_byte(out, '"');
		at = start + token.len + 1;
	}
	buf_append(out, message.data + at, message.len - at);
	return any;
}

/* "permission denied for table prices": no quotes, at the end; in some languages at the beginning. */
static bool translate_bare(const struct translation *t, struct slice message, struct buf *out)
{
	for (size_t i = 0; i < t->moved_count; i++) {
		struct rel_name physical = physical_of(&t->moved[i]), written = written_of(&t->moved[i]);
		size_t len = strlen(physical.name);
		if (message.len <= len + 1 || strcmp(physical.name, written.name) == 0)
			continue;
		size_t rest = message.len - len;
		if (message.data[rest - 1] == ' ' && memcmp(message.data + rest, physical.name, len) == 0) {
			buf_append(out, message.data, rest);
			buf_append_str(out, written.name);
			return true;
		}
		if (message.data[len] == ' ' && memcmp(message.data, physical.name, len) == 0) {
			buf_append_str(out, written.name);
			buf_append(out, message.data + len, rest);
			return true;
		}
	}
	return false;
}

static void translate_message(const struct translation *t, struct buf *text, struct answer_changes *changes)
{
	struct slice message = t->fields->message;
	bool quoted = memchr(message.data, '"', message.len) != NULL;
	buf_clear(text);
	bool changed = quoted				       ? translate_quoted(t, message, text) :
		       slice_is(t->fields->sqlstate, "42501") ? translate_bare(t, message, text) :
								 false;
	if (changed)
		changes->message = buf_slice(text);
}

/* ---- interface ---- */

static bool sets_out_to_define(const struct statement_shape *shape)
{
	for (size_t i = 0; i < shape->use_count; i++) {
		if (shape->uses[i].kind == USE_DDL)
			return true;
	}
	return false;
}

static void classify(struct translation *t)
{
	struct slice state = t->fields->sqlstate;
	t->of_text = slice_is(state, "42P01") || slice_is(state, "42703");
	t->of_data = (state.len == 5 && memcmp(state.data, "23", 2) == 0) || slice_is(state, "42501") ||
		     slice_is(state, "42P07");
	/* NOTICE: … does not exist, skipping */
	t->of_data |= slice_is(state, "00000") && sets_out_to_define(t->answer->shape);
}

void answer_names_translate(const struct answer *answer, const struct answer_fields *fields, struct buf *text,
			    struct answer_changes *changes_out)
{
	struct translation t = { .answer = answer, .fields = fields };
	if (!answer->ruleset || !answer->shape || answer->ruleset->policy.errors == ERRORS_RAW)
		return;
	find_moved(&t);
	if (!t.moved_count)
		return;
	classify(&t);
	translate_fields(&t, changes_out);
	if ((t.of_data || t.of_text) && fields->message.len && fields->message.len <= MESSAGE_MAX_BYTES)
		translate_message(&t, text, changes_out);
}
