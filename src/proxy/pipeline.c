#include "proxy/pipeline.h"

#include "base/memory.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 8, CAPACITY_KEPT = 16 };

void pipeline_init(struct pipeline *pipeline)
{
	*pipeline = (struct pipeline){ 0 };
}

void pipeline_deinit(struct pipeline *pipeline)
{
	free(pipeline->ring);
	*pipeline = (struct pipeline){ .pushed = pipeline->pushed };
}

static void grow(struct pipeline *pipeline)
{
	uint32_t capacity = pipeline->capacity ? pipeline->capacity * 2 : CAPACITY_FIRST;
	struct request *ring = memory_alloc(capacity * sizeof(*ring));
	for (uint32_t i = 0; i < pipeline->count; i++)
		ring[i] = *pipeline_at(pipeline, i);
	free(pipeline->ring);
	pipeline->ring = ring;
	pipeline->capacity = capacity;
	pipeline->head = 0;
}

struct request *pipeline_push(struct pipeline *pipeline, enum request_kind kind)
{
	if (pipeline->count == pipeline->capacity)
		grow(pipeline);
	struct request *request = pipeline_at(pipeline, pipeline->count++);
	*request = (struct request){ .kind = (uint8_t)kind };
	pipeline->pushed++;
	return request;
}

void pipeline_pop(struct pipeline *pipeline)
{
	pipeline->head = (pipeline->head + 1) & (pipeline->capacity - 1);
	pipeline->count--;
}

void pipeline_shrink(struct pipeline *pipeline)
{
	if (!pipeline->count && pipeline->capacity > CAPACITY_KEPT)
		pipeline_deinit(pipeline);
}
