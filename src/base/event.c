/* Names of events, the version, and sources over memory. */
#include <lettermill/event.h>

#include "base/mem.h"

const char *lm_version(void)
{
	return LM_VERSION;
}

const char *lm_event_name(enum lm_event_type type)
{
	static const char *const names[LM_EVENT_COUNT] = {
		"NONE",     "CONNECT",     "TLS",        "HELO",    "AUTH",    "AUTH_DONE",
		"MAILDROP", "STAT",        "LIST",       "UIDL",    "RETR",    "TOP",
		"DELE",     "RSET",        "NOOP",       "CAPA",    "LANG",    "UTF8",
		"QUIT",     "MAIL",        "RCPT",       "DATA",    "BODY",    "MESSAGE",
		"ABORT",    "VRFY",        "EXPN",       "HELP",    "COMMAND", "USER",
		"SAY",      "CERTIFICATE", "DISCONNECT", "OUTCOME", "ITEM",    "TRACE",
	};

	return (unsigned)type < LM_EVENT_COUNT ? names[type] : "UNKNOWN";
}

struct memory_source {
	struct lm_source source;
	struct lm_bytes rest;
	uint8_t data[];
};

static int memory_read(struct lm_source *source, size_t max, struct lm_bytes *out_chunk,
                       bool *out_last)
{
	struct memory_source *m = lm_container(source, struct memory_source, source);
	size_t n = m->rest.len < max ? m->rest.len : max;

	*out_chunk = lm_bytes(m->rest.data, n);
	m->rest = lm_bytes_from(m->rest, n);
	*out_last = m->rest.len == 0;
	return 0;
}

static void memory_close(struct lm_source *source)
{
	lm_free(lm_container(source, struct memory_source, source));
}

struct lm_source *lm_source_from_bytes(struct lm_bytes octets)
{
	static const struct lm_source_ops ops = { memory_read, memory_close };
	struct memory_source *m;
	size_t size;

	if (!lm_add(sizeof(*m), octets.len, &size))
		return NULL;
	m = lm_alloc(size);
	if (!m)
		return NULL;
	*m = (struct memory_source){ .source.ops = &ops };
	if (octets.len)
		memcpy(m->data, octets.data, octets.len);
	m->rest = lm_bytes(m->data, octets.len);
	return &m->source;
}
