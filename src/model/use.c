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

static struct use *find_same(struct statement_shape *shape, const struct use *use)
{
	for (size_t i = 0; i < shape->use_count; i++) {
		struct use *own = &shape->uses[i];
		if (own->entry == use->entry && own->side == use->side && own->kind == use->kind)
			return own;
	}
	return NULL;
}

struct statement_shape *statement_shape_new(struct slice text, const struct use *uses, size_t use_count)
{
	size_t bytes = sizeof(struct statement_shape) + use_count * sizeof(*uses) + text.len + 1;
	for (size_t i = 0; i < use_count; i++)
		bytes += text_bytes(uses[i].written.schema) + text_bytes(uses[i].written.name) +
			 text_bytes(uses[i].table);
	struct statement_shape *shape = memory_zalloc(bytes);
	char *at = (char *)(shape->uses + use_count);
	ref_init(&shape->ref);
	shape->hash = hash_of_bytes(text.data, text.len, 0);
	shape->text = slice_of(at, text.len);
	if (text.len)
		memcpy(at, text.data, text.len);
	at += text.len + 1;
	for (size_t i = 0; i < use_count; i++) {
		struct use *same = find_same(shape, &uses[i]);
		if (same) {
			same->flags |= uses[i].flags;
			continue;
		}
		struct use *own = &shape->uses[shape->use_count++];
		*own = uses[i];
		own->written.schema = place(&at, uses[i].written.schema);
		own->written.name = place(&at, uses[i].written.name);
		own->table = place(&at, uses[i].table);
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
