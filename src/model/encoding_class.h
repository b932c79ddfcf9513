/* How the bytes of a client's text may be read: what a client_encoding means for a lexer. */
#ifndef CROSSFADE_MODEL_ENCODING_CLASS_H
#define CROSSFADE_MODEL_ENCODING_CLASS_H

enum encoding_class {
	ENCODING_UTF8,
	ENCODING_SINGLE_BYTE,	/* LATIN1, …: every byte a character */
	ENCODING_AS_STORED,	/* SQL_ASCII: the bytes that the server has, every one a character */
	ENCODING_SAFE_MULTI,	/* EUC_*: later bytes are never ASCII */
	ENCODING_UNSAFE,	/* SJIS, BIG5, GBK, …: cannot be lexed as bytes */
};

/* name: as in client_encoding, in any spelling that the server takes. */
enum encoding_class encoding_class_of(const char *name);

#endif
