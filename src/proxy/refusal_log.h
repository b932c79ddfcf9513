/* A line for each statement that crossfade refused, but for those that come too fast. */
#ifndef CROSSFADE_PROXY_REFUSAL_LOG_H
#define CROSSFADE_PROXY_REFUSAL_LOG_H

#include "base/log_limit.h"
#include "proxy/conversation.h"

/* One per worker. */
struct refusal_log {
	struct log_limit limit;
};

void refusal_log_init(struct refusal_log *log);
/* The request's text was refused by the rewriter or is too long, and its client is told so. */
void refusal_log_note(struct refusal_log *log, const struct conversation *conversation, const struct request *request,
		      const struct error *refusal);

#endif
