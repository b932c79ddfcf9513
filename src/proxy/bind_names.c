#include "proxy/bind_names.h"

#include "wire/reader.h"

static bool is_name(const struct rewrite *rewrite, size_t number)
{
	for (size_t i = 0; i < rewrite->parameter_count; i++) {
		if (rewrite->parameters[i] == number)
			return true;
	}
	return false;
}

/*
 * Text in either format looks alike. Four bytes of an OID cannot be told from
 * text by the format alone, but a name has no zero byte, as OIDs below
 * 16 million have, and it must be one of the map.
 */
static bool replace_value(struct conversation *conversation, struct slice value, struct buf *out)
{
	if (!value.len || memchr(value.data, 0, value.len))
		return false;
	return rewriter_parameter(conversation->env->rewriter, value,
				  session_vars_now(&conversation->vars, &conversation->pipeline), conversation->ruleset,
				  out);
}

/* Copies the values, names replaced; how many were. */
static size_t append_parameters(struct conversation *conversation, const struct rewrite *rewrite,
				const struct bind_message *bind, struct buf *out)
{
	struct reader reader = reader_of(bind->parameters);
	struct buf name;
	size_t replaced = 0;
	buf_init(&name);
	for (size_t i = 0; i < bind->parameter_count; i++) {
		uint32_t len = reader_u32(&reader);
		struct slice value = len == UINT32_MAX ? slice_of(NULL, 0) : reader_bytes(&reader, len);
		buf_clear(&name);
		if (is_name(rewrite, i + 1) && replace_value(conversation, value, &name)) {
			value = buf_slice(&name);
			len = (uint32_t)value.len;
			replaced++;
		}
		buf_append_u32(out, len);
		buf_append_slice(out, value);
	}
	buf_deinit(&name);
	return replaced;
}

static void append_text(struct buf *out, struct slice text)
{
	buf_append_slice(out, text);
	buf_append_byte(out, 0);
}

bool bind_names_replace(struct conversation *conversation, const struct rewrite *rewrite, struct slice body,
			struct round *round)
{
	struct bind_message bind;
	struct buf parameters;
	if (!conversation->ruleset || !bind_read(body, &bind))
		return false;
	buf_init(&parameters);
	bool replaced = append_parameters(conversation, rewrite, &bind, &parameters) > 0;
	if (replaced) {
		struct buf *out = output_own(&round->to_server);
		size_t begin = frame_begin(out, CLIENT_BIND);
		append_text(out, bind.portal);
		append_text(out, bind.statement);
		buf_append_u16(out, (uint16_t)(bind.formats.len / 2));
		buf_append_slice(out, bind.formats);
		buf_append_u16(out, (uint16_t)bind.parameter_count);
		buf_append_slice(out, buf_slice(&parameters));
		buf_append_slice(out, bind.results);
		frame_end(out, begin);
	}
	buf_deinit(&parameters);
	return replaced;
}
