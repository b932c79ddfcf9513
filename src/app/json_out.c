#include "app/json_out.h"

#include "base/memory.h"

#include <stdlib.h>

void json_out_append(json_t *root, struct buf *out)
{
	char *dumped = json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	if (!dumped)
		memory_exhausted(0);
	buf_append_str(out, dumped);
	buf_append_byte(out, '\n');
	free(dumped);
	json_decref(root);
}
