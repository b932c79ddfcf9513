#include "logs/prepared_uses.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static struct prepared_use *find(struct prepared_uses *uses, const char *name)
{
	for (size_t i = 0; name && i < uses->count; i++) {
		if (strcmp(uses->items[i].name, name) == 0)
			return &uses->items[i];
	}
	return NULL;
}

static void remove_one(struct prepared_uses *uses, struct prepared_use *use, prepared_unused_fn *unused, void *context)
{
	if (!use->executed)
		unused(context, use->shape);
	free(use->name);
	rewrite_unref(use->rewrite);
	*use = uses->items[--uses->count];
}

void prepared_uses_remove(struct prepared_uses *uses, const char *name, prepared_unused_fn *unused, void *context)
{
	struct prepared_use *use = find(uses, name);
	if (use)
		remove_one(uses, use, unused, context);
	while (!name && uses->count)
		remove_one(uses, &uses->items[uses->count - 1], unused, context);
}

void prepared_uses_set(struct prepared_uses *uses, struct rewrite *rewrite, const struct effect *effect, bool executed,
		       prepared_unused_fn *unused, void *context)
{
	prepared_uses_remove(uses, effect->name ? effect->name : "", unused, context);
	if (!effect->name || !effect->shape || uses->count == PREPARED_USES_MAX)
		return;
	if (uses->count == uses->capacity) {
		uses->capacity = uses->capacity ? uses->capacity * 2 : 4;
		uses->items = memory_realloc(uses->items, uses->capacity * sizeof(*uses->items));
	}
	uses->items[uses->count++] = (struct prepared_use){
		.name = memory_strdup(effect->name),
		.rewrite = rewrite_ref(rewrite),
		.shape = effect->shape,
		.executed = executed,
	};
}

bool prepared_uses_knows(struct prepared_uses *uses, const char *name)
{
	return find(uses, name) != NULL;
}

struct statement_shape *prepared_uses_execute(struct prepared_uses *uses, const char *name)
{
	struct prepared_use *use = find(uses, name);
	if (!use)
		return NULL;
	use->executed = true;
	return use->shape;
}

void prepared_uses_deinit(struct prepared_uses *uses, prepared_unused_fn *unused, void *context)
{
	prepared_uses_remove(uses, NULL, unused, context);
	free(uses->items);
	*uses = (struct prepared_uses){ 0 };
}
