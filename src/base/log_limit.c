#include "base/log_limit.h"

bool log_limit_pass(struct log_limit *limit, uint64_t now_us, uint64_t *suppressed_out)
{
	if (!limit->began_us || now_us - limit->began_us >= limit->span_us) {
		limit->began_us = now_us;
		limit->count = 0;
	}
	if (limit->count == limit->lines) {
		limit->suppressed++;
		return false;
	}
	limit->count++;
	*suppressed_out = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
