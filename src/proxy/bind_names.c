#include "proxy/bind_names.h"

#include "wire/reader.h"

#include <stdlib.h>

enum { MOST_USES = 64 };

struct values {
	struct conversation *conversation;
	const struct rewrite *rewrite;
	struct use uses[MOST_USES];
	size_t use_count, replaced;
};

static int compare_numbers(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static bool is_name(const struct rewrite *rewrite, size_t number)
{
	uint16_t wanted = (uint16_t)number;
	return bsearch(&wanted, rewrite->parameters, rewrite->parameter_count, sizeof(wanted), compare_numbers) != NULL;
}

/*
 * Text in either format looks alike. Four bytes of an OID cannot be told from
 * text by the format alone, but a name has no zero byte, as OIDs below
 * 16 million have, and it must be one of the map.
 */
static bool replace_value(struct values *values, struct slice value, struct buf *out)
{
	struct conversation *conversation = values->conversation;
	size_t most = MOST_USES - values->use_count;
	if (!value.len || memchr(value.data, 0, value.len) ||
	    !conversation->ruleset)
		return false;
	values->use_count += rewriter_parameter(conversation->env->rewriter, value,
						session_vars_now(&conversation->vars, &conversation->pipeline),
						conversation->ruleset, out, values->uses + values->use_count, most);
	return out->len > 0;
}

static void append_parameters(struct values *values, const struct bind_message *bind, struct buf *out)
{
	struct reader reader = reader_of(bind->parameters);
	struct buf name;
	buf_init(&name);
	for (size_t i = 0; i < bind->parameter_count; i++) {
		uint32_t len = reader_u32(&reader);
		struct slice value = len == UINT32_MAX ? slice_of(NULL, 0) : reader_bytes(&reader, len);
		buf_clear(&name);
		if (is_name(values->rewrite, i + 1) && replace_value(values, value, &name)) {
			value = buf_slice(&name);
			len = (uint32_t)value.len;
			values->replaced++;
		}
		buf_append_u32(out, len);
		buf_append_slice(out, value);
	}
	buf_deinit(&name);
}

static void append_text(struct buf *out, struct slice text)
{
	buf_append_slice(out, text);
	buf_append_byte(out, 0);
}

static void append_bind(const struct bind_message *bind, struct slice parameters, struct buf *out)
{
	size_t begin = frame_begin(out, CLIENT_BIND);
	append_text(out, bind->portal);
	append_text(out, bind->statement);
	buf_append_u16(out, (uint16_t)(bind->formats.len / 2));
	buf_append_slice(out, bind->formats);
	buf_append_u16(out, (uint16_t)bind->parameter_count);
	buf_append_slice(out, parameters);
	buf_append_slice(out, bind->results);
	frame_end(out, begin);
}

bool bind_names_replace(struct conversation *conversation, const struct rewrite *rewrite, struct slice body,
			struct buf *out, struct statement_shape **shape_out)
{
	struct values values = { .conversation = conversation, .rewrite = rewrite };
	struct bind_message bind;
	struct buf parameters;
	if (!conversation->ruleset || !bind_read(body, &bind))
		return false;
	buf_init(&parameters);
	append_parameters(&values, &bind, &parameters);
	if (values.replaced)
		append_bind(&bind, buf_slice(&parameters), out);
	buf_deinit(&parameters);
	if (values.use_count)
		*shape_out = statement_shape_new(rewrite->parameter_shape->text, values.uses, values.use_count);
	return values.replaced > 0;
}
