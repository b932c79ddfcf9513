#include "proxy/late_counts.h"

#include "base/memory.h"

#include <stdlib.h>

void late_counts_add(struct late_counts *late, struct rewrite *rewrite, struct statement_shape *shape,
		     enum usage_outcome outcome, uint64_t rows)
{
	if (late->count == late->capacity) {
		late->capacity = late->capacity ? late->capacity * 2 : 8;
		late->items = memory_realloc(late->items, late->capacity * sizeof(*late->items));
	}
	late->items[late->count++] = (struct late_count){
		.rewrite = rewrite ? rewrite_ref(rewrite) : NULL,
		.shape = statement_shape_ref(shape),
		.outcome = outcome,
		.rows = rows,
	};
}

void late_counts_drop(struct late_counts *late)
{
	for (size_t i = 0; i < late->count; i++) {
		if (late->items[i].rewrite)
			rewrite_unref(late->items[i].rewrite);
		statement_shape_unref(late->items[i].shape);
	}
	free(late->items);
	*late = (struct late_counts){ 0 };
}
