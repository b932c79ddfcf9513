/* Where, in the text that the client knows, the server's errors and notices are. */
#ifndef CROSSFADE_PROXY_ERROR_PLACE_H
#define CROSSFADE_PROXY_ERROR_PLACE_H

#include "proxy/conversation.h"
#include "wire/error_fields.h"

struct error_place {
	const struct rewrite *rewrite; /* of the text that it is in; NULL: the client's own */
	uint32_t position;	       /* as the server counts; 0: none, or of a text that cannot be told */
};

struct error_place error_place_of(struct conversation *conversation, const struct request *head,
				  const struct error_fields *fields);
/* In the client's text; 0: none. */
uint32_t error_place_original(struct error_place place);

#endif
