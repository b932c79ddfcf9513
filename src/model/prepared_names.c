#include "model/prepared_names.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Of more, the oldest are forgotten. */
enum { NAMES_MAX = 1024, NAMES_BYTES = 64 * 1024 };

static size_t bytes_of(const char *name, const char *numbers)
{
	return strlen(name) + strlen(numbers) + 2;
}

static void drop(struct prepared_names *names, size_t index)
{
	names->bytes -= bytes_of(names->items[index].name, names->items[index].numbers);
	free(names->items[index].name);
	free(names->items[index].numbers);
	names->count--;
	memmove(&names->items[index], &names->items[index + 1], (names->count - index) * sizeof(*names->items));
}

static size_t find(const struct prepared_names *names, const char *name)
{
	size_t i = 0;
	while (i < names->count && strcmp(names->items[i].name, name) != 0)
		i++;
	return i;
}

void prepared_names_remove(struct prepared_names *names, const char *name)
{
	if (!name) {
		while (names->count)
			drop(names, names->count - 1);
		return;
	}
	size_t at = find(names, name);
	if (at < names->count)
		drop(names, at);
}

void prepared_names_deinit(struct prepared_names *names)
{
	prepared_names_remove(names, NULL);
	free(names->items);
	*names = (struct prepared_names){ 0 };
}

void prepared_names_set(struct prepared_names *names, const char *name, const char *numbers)
{
	prepared_names_remove(names, name);
	if (!numbers || bytes_of(name, numbers) > NAMES_BYTES)
		return;
	while (names->count == NAMES_MAX || names->bytes + bytes_of(name, numbers) > NAMES_BYTES)
		drop(names, 0);
	names->bytes += bytes_of(name, numbers);
	if (names->count == names->capacity) {
		names->capacity = names->capacity ? names->capacity * 2 : 4;
		names->items = memory_realloc(names->items, names->capacity * sizeof(*names->items));
	}
	names->items[names->count++] = (struct prepared_name){ memory_strdup(name), memory_strdup(numbers) };
}

void prepared_names_assign(struct prepared_names *names, const struct prepared_names *other)
{
	prepared_names_remove(names, NULL);
	for (size_t i = 0; i < other->count; i++)
		prepared_names_set(names, other->items[i].name, other->items[i].numbers);
}

const char *prepared_names_find(const struct prepared_names *names, const char *name)
{
	size_t at = find(names, name);
	return at < names->count ? names->items[at].numbers : NULL;
}
