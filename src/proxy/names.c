#include "proxy/names.h"

#include "base/memory.h"

#include <stdlib.h>

static struct slice key_of(struct slice text)
{
	return slice_of(text.data, text.len < NAME_TEXT_BYTES ? text.len : NAME_TEXT_BYTES - 1);
}

void names_init(struct names *names)
{
	*names = (struct names){ 0 };
}

struct rewrite *name_exchange(struct name *name, struct rewrite *rewrite)
{
	struct rewrite *before = name->rewrite;
	name->rewrite = rewrite;
	return before;
}

struct prepared *name_exchange_prepared(struct name *name, struct prepared *prepared)
{
	struct prepared *before = name->prepared;
	name->prepared = prepared;
	return before;
}

void name_set_shape(struct name *name, struct statement_shape *shape)
{
	if (shape)
		statement_shape_ref(shape);
	if (name->shape)
		statement_shape_unref(name->shape);
	name->shape = shape;
}

static void forget(struct name *name)
{
	if (name->rewrite)
		rewrite_unref(name_exchange(name, NULL));
	prepared_unref(name_exchange_prepared(name, NULL));
	name_set_shape(name, NULL);
}

void names_deinit(struct names *names)
{
	struct name *name, *next;
	HASH_ITER(hh, names->named, name, next)
	{
		HASH_DEL(names->named, name);
		forget(name);
		free(name);
	}
	forget(&names->unnamed);
}

struct name *names_find(struct names *names, struct slice text)
{
	struct slice key = key_of(text);
	struct name *name = NULL;
	if (!key.len)
		return &names->unnamed;
	if (names->named)
		HASH_FIND(hh, names->named, key.data, key.len, name);
	return name;
}

struct name *names_hold(struct names *names, struct slice text)
{
	struct name *name = names_find(names, text);
	if (!name) {
		struct slice key = key_of(text);
		name = memory_zalloc(sizeof(*name));
		memcpy(name->text, key.data, key.len);
		HASH_ADD_KEYPTR(hh, names->named, name->text, key.len, name);
	}
	name->pending++;
	return name;
}

static void drop_if_empty(struct names *names, struct name *name)
{
	if (name == &names->unnamed || name->pending || name->rewrite || name->shape || name->prepared)
		return;
	HASH_DEL(names->named, name);
	free(name);
}

void names_release(struct names *names, struct name *name)
{
	name->pending--;
	drop_if_empty(names, name);
}

void names_clear(struct names *names, struct name *name)
{
	forget(name);
	drop_if_empty(names, name);
}
