/* What is known of a session, member by member, and which of it is news. */
#include "bridge/session.h"

enum how { CHARS, STRING, OCTETS, PORT, FLAG, ID, PROTOCOL };

struct member {
	const char *name;
	size_t offset;
	enum how how;
};

static const struct member members[] = {
#define M(name, member, how)                                        \
	{                                                           \
		name, offsetof(struct lm_session_info, member), how \
	}
	M("protocol", protocol, PROTOCOL),
	M("id", id, ID),
	M("peerAddress", peer_address, CHARS),
	M("peerPort", peer_port, PORT),
	M("localAddress", local_address, CHARS),
	M("localPort", local_port, PORT),
	M("tls", tls.active, FLAG),
	M("tlsVersion", tls.version, STRING),
	M("tlsCipher", tls.cipher, STRING),
	M("serverName", tls.server_name, STRING),
	M("peerSubject", tls.peer_subject, STRING),
	M("peerName", tls.peer_name, STRING),
	M("esmtp", esmtp, FLAG),
	M("helo", helo, OCTETS),
	M("user", user, OCTETS),
	M("mechanism", mechanism, OCTETS),
	M("xclient", xclient, OCTETS),
	M("xforward", xforward, OCTETS),
	M("language", language, STRING),
	M("utf8", utf8, FLAG),
	M("stamp", stamp, STRING),
#undef M
};
enum { COUNT = sizeof(members) / sizeof(members[0]) };
_Static_assert((int)COUNT <= (int)LM_BX_MEMBERS, "room for what is known");

static struct lm_bytes octets_of(const struct lm_session_info *info, const struct member *m)
{
	const char *at = (const char *)info + m->offset;
	const char *text = NULL;
	struct lm_bytes octets;

	switch (m->how) {
	case CHARS:
		return lm_str(at);
	case STRING:
		memcpy(&text, at, sizeof(text));
		return lm_str(text);
	case OCTETS:
		memcpy(&octets, at, sizeof(octets));
		return octets;
	case PORT:
		return lm_bytes(at, sizeof(info->peer_port));
	case FLAG:
		return lm_bytes(at, sizeof(bool));
	case ID:
		return lm_bytes(at, sizeof(info->id));
	case PROTOCOL:
		return lm_bytes(at, sizeof(info->protocol));
	}
	return lm_bytes(NULL, 0);
}

const char *lm_bx_protocol_name(enum lm_protocol protocol)
{
	switch (protocol) {
	case LM_SMTP:
		return "smtp";
	case LM_SUBMISSION:
		return "submission";
	case LM_LMTP:
		return "lmtp";
	case LM_POP3:
		return "pop3";
	}
	return "";
}

static void put(const struct lm_session_info *info, const struct member *m, struct lm_bytes now,
                struct lm_bx_draft *draft)
{
	uint16_t port;

	switch (m->how) {
	case PORT:
		memcpy(&port, now.data, sizeof(port));
		lm_bx_number(draft, m->name, port);
		break;
	case FLAG:
		lm_bx_bool(draft, m->name, now.data[0]);
		break;
	case ID:
		lm_bx_number(draft, m->name, (double)info->id);
		break;
	case PROTOCOL:
		lm_bx_text(draft, m->name, lm_str(lm_bx_protocol_name(info->protocol)));
		break;
	default:
		lm_bx_text(draft, m->name, now);
	}
}

static int keep(struct lm_bx_facts *facts, const struct lm_bytes *now)
{
	uint8_t *memory, *to;
	size_t size = 0;

	for (size_t i = 0; i < COUNT; i++)
		size += now[i].len;
	memory = to = lm_alloc(size);
	if (!memory)
		return LM_E_NOMEM;
	for (size_t i = 0; i < COUNT; i++) {
		if (now[i].len)
			memcpy(to, now[i].data, now[i].len);
		facts->known[i] = lm_bytes(to, now[i].len);
		to += now[i].len;
	}
	lm_free(facts->memory);
	facts->memory = memory;
	return 0;
}

int lm_bx_facts_put(struct lm_bx_facts *facts, const struct lm_session_info *info, bool all,
                    struct lm_bx_draft *draft)
{
	struct lm_bytes now[COUNT];
	bool is_new[COUNT], any = false;
	size_t outer;
	int err;

	for (size_t i = 0; i < COUNT; i++) {
		now[i] = octets_of(info, &members[i]);
		is_new[i] = all || !lm_bytes_equal(now[i], facts->known[i]);
		any |= is_new[i];
	}
	if (!any)
		return 0;
	err = keep(facts, now);
	if (err)
		return err;
	outer = lm_bx_open(draft, "info", LM_BX_OBJECT);
	/* Which one it is is known on the script's thread: the first member is filled in there. */
	if (all)
		lm_bx_text(draft, "listener", lm_bytes(NULL, 0));
	for (size_t i = 0; i < COUNT; i++)
		if (is_new[i])
			put(info, &members[i], now[i], draft);
	lm_bx_close(draft, outer);
	return 0;
}
