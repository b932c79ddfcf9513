#include "proxy/output.h"

struct buf *output_own(struct output *output)
{
	if (output->run_len) {
		buf_append(output->scratch, output->run, output->run_len);
		output->run_len = 0;
	}
	return output->scratch;
}

void output_pass(struct output *output, const char *data, size_t len)
{
	if (!len)
		return;
	if (!output->scratch->len && (!output->run_len || output->run + output->run_len == data)) {
		if (!output->run_len)
			output->run = data;
		output->run_len += len;
		return;
	}
	buf_append(output_own(output), data, len);
}
