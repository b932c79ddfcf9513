#include "usage/shared.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "schema:"

static const struct usage_shared_ops *current;

void usage_shared_set(const struct usage_shared_ops *ops)
{
	current = ops;
}

const struct usage_shared_ops *usage_shared_get(void)
{
	return current;
}

bool usage_is_shared(const char *path)
{
	return path && strncmp(path, PREFIX, strlen(PREFIX)) == 0;
}

const char *usage_place_name(const char *path, char out[USAGE_PLACE_BYTES])
{
	const char *text = path ? path : "";
	size_t len = strcspn(text, "\n");
	if (usage_is_shared(text))
		snprintf(out, USAGE_PLACE_BYTES, "schema %.*s", (int)(len - strlen(PREFIX)), text + strlen(PREFIX));
	else
		snprintf(out, USAGE_PLACE_BYTES, "%s", text);
	return out;
}
