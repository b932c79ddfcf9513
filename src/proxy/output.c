#include "proxy/output.h"

struct buf *output_own(struct output *output)
{
	if (output->run_len) {
		buf_append(output->scratch, output->run, output->run_len);
		output->run_len = 0;
	}
	return output->scratch;
}

