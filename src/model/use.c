#include "model/use.h"

#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[USE_KIND_COUNT] = {
	[USE_SELECT] = "select",     [USE_INSERT] = "insert",	[USE_UPDATE] = "update",
	[USE_DELETE] = "delete",     [USE_MERGE] = "merge",	[USE_COPY_IN] = "copy_in",
	[USE_COPY_OUT] = "copy_out", [USE_TRUNCATE] = "truncate", [USE_LOCK] = "lock",
	[USE_MAINTENANCE] = "maintenance", [USE_DDL] = "ddl",	[USE_OPAQUE] = "opaque",
	[USE_INTROSPECTION] = "introspection",
};

const char *use_kind_name(enum use_kind kind)
{
	return kind_names[kind];
}

static size_t text_bytes(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *place(char **at, const char *text)
{
	if (!text)
		return NULL;
	size_t bytes = strlen(text) + 1;
	const char *copy = memcpy(*at, text, bytes);
	*at += bytes;
	return copy;
}

static bool same_use(const struct use *a, const struct use *b)
{
	return a->entry == b->entry && a->side == b->side && a->kind == b->kind;
}

/* What follows the uses: room for all their columns, then all texts. */
struct room {
	const char **columns;
	char *text;
};

/* Into the sorted columns of own, whose last one is the last that has been placed. */
static void add_column(struct use *own, const char **columns, const char *name, struct room *room)
{
	size_t at = own->column_count;
	while (at > 0 && strcmp(columns[at - 1], name) > 0)
		at--;
	if (at > 0 && strcmp(columns[at - 1], name) == 0)
		return;
	if (own->column_count == USE_COLUMNS_MAX) {
		own->all_columns = true;
		return;
	}
	memmove(columns + at + 1, columns + at, (own->column_count - at) * sizeof(*columns));
	columns[at] = place(&room->text, name);
	own->column_count++;
}

/* The columns of all uses that are the same as the one at first. */
static void join_columns(struct use *own, const struct use *uses, size_t first, size_t count, struct room *room)
{
	const char **columns = room->columns;
	own->column_count = 0;
	for (size_t i = first; i < count; i++)
		own->all_columns = own->all_columns || (same_use(own, &uses[i]) && uses[i].all_columns);
	for (size_t i = first; i < count; i++) {
		for (size_t k = 0; k < uses[i].column_count && same_use(own, &uses[i]) && !own->all_columns; k++)
			add_column(own, columns, uses[i].columns[k], room);
	}
	if (own->all_columns)
		own->column_count = 0;
	own->columns = own->column_count ? columns : NULL;
	room->columns += own->column_count;
}

static struct use *find_same(struct statement_shape *shape, const struct use *use)
{
	for (size_t i = 0; i < shape->use_count; i++) {
		if (same_use(&shape->uses[i], use))
			return &shape->uses[i];
	}
	return NULL;
}

static size_t columns_bytes(const struct use *use)
{
	size_t bytes = use->column_count * sizeof(*use->columns);
	for (size_t i = 0; i < use->column_count; i++)
		bytes += text_bytes(use->columns[i]);
	return bytes;
}

struct statement_shape *statement_shape_new(struct slice text, const struct use *uses, size_t use_count)
{
	size_t bytes = sizeof(struct statement_shape) + use_count * sizeof(*uses) + text.len + 1, column_count = 0;
	for (size_t i = 0; i < use_count; i++) {
		bytes += text_bytes(uses[i].written.schema) + text_bytes(uses[i].written.name) +
			 text_bytes(uses[i].table) + columns_bytes(&uses[i]);
		column_count += uses[i].column_count;
	}
	struct statement_shape *shape = memory_zalloc(bytes);
	struct room room = { .columns = (const char **)(void *)(shape->uses + use_count) };
	room.text = (char *)(room.columns + column_count);
	ref_init(&shape->ref);
	shape->bytes = bytes;
	shape->hash = hash_of_bytes(text.data, text.len, 0);
	shape->text = slice_of(room.text, text.len);
	if (text.len)
		memcpy(room.text, text.data, text.len);
	room.text += text.len + 1;
	for (size_t i = 0; i < use_count; i++) {
		struct use *same = find_same(shape, &uses[i]);
		if (same) {
			same->flags |= uses[i].flags;
			continue;
		}
		struct use *own = &shape->uses[shape->use_count++];
		*own = uses[i];
		own->written.schema = place(&room.text, uses[i].written.schema);
		own->written.name = place(&room.text, uses[i].written.name);
		own->table = place(&room.text, uses[i].table);
		join_columns(own, uses, i, use_count, &room);
	}
	return shape;
}

struct statement_shape *statement_shape_ref(struct statement_shape *shape)
{
	if (shape)
		ref_take(&shape->ref);
	return shape;
}

void statement_shape_unref(struct statement_shape *shape)
{
	if (shape && ref_drop(&shape->ref))
		free(shape);
}
