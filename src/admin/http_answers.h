/* What each path of the http port answers: plain functions from a request to text, without sockets. */
#ifndef CROSSFADE_ADMIN_HTTP_ANSWERS_H
#define CROSSFADE_ADMIN_HTTP_ANSWERS_H

#include "admin/http.h"
#include "admin/page.h"

struct http_request {
	const char *path;
	bool server; /* ?server=1 */
	int64_t started_ms; /* the process */
};

struct http_answer {
	int status;
	const char *content_type;
	struct buf body;
	char nonce[PAGE_NONCE_BYTES]; /* scripts and styles with it may run; empty: none may */
};

/* answer_out's body is to be deinit-ed, whatever the status. */
void http_answer(const struct http_sources *sources, const struct http_request *request,
		 struct http_answer *answer_out);

#endif
