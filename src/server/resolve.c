/* Which accounts an address or a login name may mean, and a small cache of what was found. */
#include "server/resolve.h"

#include "wire/text.h"

/* Domains that an address without one is tried in. */
enum { DOMAINS_TRIED = 3 };

/* A local part without its quotes and backslashes (RFC 5321 4.1.2). */
struct local_part {
	char text[LM_RESOLVE_NAME_MAX + 1];
	size_t len;
};

static bool keep(struct local_part *local, uint8_t c)
{
	if (local->len >= LM_RESOLVE_NAME_MAX || c < 0x20 || c == 0x7F)
		return false;
	local->text[local->len++] = (char)c;
	local->text[local->len] = '\0';
	return true;
}

/* Cut a quoted local part off *rest; false when it is not closed. */
static bool unquote(struct lm_bytes *rest, struct local_part *local)
{
	for (size_t i = 1; i < rest->len; i++) {
		uint8_t c = rest->data[i];

		if (c == '"') {
			*rest = lm_bytes_from(*rest, i + 1);
			return true;
		}
		if (c == '\\' && ++i < rest->len)
			c = rest->data[i];
		if (!keep(local, c))
			return false;
	}
	return false;
}

static bool cut_plain(struct lm_bytes *rest, struct local_part *local)
{
	size_t i = 0;

	for (; i < rest->len && rest->data[i] != '@'; i++) {
		if (!keep(local, rest->data[i]))
			return false;
	}
	*rest = lm_bytes_from(*rest, i);
	return true;
}

/* *out_domain is empty where there is none. */
static bool split(struct lm_bytes address, struct local_part *local, struct lm_bytes *out_domain)
{
	*local = (struct local_part){ .len = 0 };
	if (!address.len)
		return false;
	if (address.data[0] == '"' ? !unquote(&address, local) : !cut_plain(&address, local))
		return false;
	*out_domain = lm_bytes_from(address, 1);
	if (!local->len)
		return false;
	return !address.len || (address.data[0] == '@' && out_domain->len > 0 &&
	                        !memchr(out_domain->data, 0, out_domain->len));
}

static void add(struct lm_candidates *c, struct lm_bytes local, struct lm_bytes domain)
{
	size_t len = local.len + (domain.len ? 1 + domain.len : 0);
	char *to;

	if (c->count >= LM_RESOLVE_NAMES || len > LM_RESOLVE_NAME_MAX)
		return;
	to = c->names[c->count++];
	memcpy(to, local.data, local.len);
	if (domain.len) {
		to[local.len] = '@';
		memcpy(to + local.len + 1, domain.data, domain.len);
	}
	to[len] = '\0';
}

static bool is_ours(const struct lm_resolve_rules *rules, struct lm_bytes domain)
{
	for (size_t i = 0; i < rules->domain_count; i++) {
		if (lm_equal_nocase(domain, lm_str(rules->domains[i])))
			return true;
	}
	return false;
}

/* The names that may be meant by a local part at one of our domains, or without one. */
static void add_ours(const struct lm_resolve_rules *rules, struct lm_bytes local,
                     struct lm_bytes domain, struct lm_candidates *c)
{
	if (domain.len)
		add(c, local, domain);
	for (size_t i = 0; !domain.len && i < rules->domain_count && i < DOMAINS_TRIED; i++)
		add(c, local, lm_str(rules->domains[i]));
	/* Without domains of ours an address is a name as a whole. */
	if (rules->domain_count || !domain.len)
		add(c, local, lm_bytes(NULL, 0));
	if (rules->postmaster && (rules->domain_count || !domain.len) &&
	    lm_equal_nocase(local, lm_str("postmaster")))
		add(c, lm_str(rules->postmaster), lm_bytes(NULL, 0));
}

void lm_resolve_address(const struct lm_resolve_rules *rules, struct lm_bytes address,
                        struct lm_candidates *out_candidates)
{
	struct lm_bytes none = lm_bytes(NULL, 0), domain = none, name;
	struct local_part local;

	out_candidates->count = 0;
	out_candidates->foreign = false;
	if (rules->catch_all) {
		add(out_candidates, lm_str(rules->catch_all), none);
		return;
	}
	if (!split(address, &local, &domain))
		return;
	name = lm_bytes(local.text, local.len);
	/* An "@" that was quoted must not be taken for the one before a domain. */
	if (memchr(local.text, '@', local.len))
		return;
	if (rules->domain_count && domain.len && !is_ours(rules, domain))
		out_candidates->foreign = true;
	else
		add_ours(rules, name, domain, out_candidates);
}

void lm_resolve_login(const struct lm_resolve_rules *rules, struct lm_bytes name,
                      struct lm_candidates *out_candidates)
{
	struct lm_bytes none = lm_bytes(NULL, 0);
	const uint8_t *at = name.len ? memchr(name.data, '@', name.len) : NULL;
	size_t before = at ? (size_t)(at - name.data) : 0;

	out_candidates->count = 0;
	out_candidates->foreign = false;
	if (!name.len || memchr(name.data, 0, name.len))
		return;
	add(out_candidates, name, none);
	if (before && is_ours(rules, lm_bytes_from(name, before + 1)))
		add(out_candidates, lm_bytes(name.data, before), none);
}

struct found {
	char *address; /* NULL: free; the account's name stands behind its NUL */
	size_t len;
	lm_time_ms until;
};

struct lm_resolve_cache {
	lm_time_ms life;
	size_t count;
	struct found entries[];
};

int lm_resolve_cache_new(size_t entries, lm_time_ms life, struct lm_resolve_cache **out_cache)
{
	struct lm_resolve_cache *cache;
	size_t size;

	if (!entries || !lm_mul(entries, sizeof(struct found), &size))
		return LM_E_MISUSE;
	cache = lm_alloc_zero(1, sizeof(*cache) + size);
	if (!cache)
		return LM_E_NOMEM;
	cache->life = life;
	cache->count = entries;
	*out_cache = cache;
	return 0;
}

void lm_resolve_cache_free(struct lm_resolve_cache *cache)
{
	for (size_t i = 0; cache && i < cache->count; i++)
		lm_free(cache->entries[i].address);
	lm_free(cache);
}

/* Where an address belongs. Who makes two collide only makes them push each other out. */
static size_t place(const struct lm_resolve_cache *cache, struct lm_bytes address)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < address.len; i++)
		hash = (hash ^ lm_upper(address.data[i])) * UINT64_C(1099511628211);
	return (size_t)(hash % cache->count);
}

const char *lm_resolve_cache_get(const struct lm_resolve_cache *cache, struct lm_bytes address,
                                 lm_time_ms now)
{
	const struct found *entry = &cache->entries[place(cache, address)];

	if (!entry->address || now >= entry->until ||
	    !lm_equal_nocase(address, lm_bytes(entry->address, entry->len)))
		return NULL;
	return entry->address + entry->len + 1;
}

void lm_resolve_cache_put(struct lm_resolve_cache *cache, struct lm_bytes address,
                          const char *account, lm_time_ms now)
{
	struct found *entry = &cache->entries[place(cache, address)];
	size_t account_size = strlen(account) + 1;
	char *memory;

	if (!address.len || address.len > 1024)
		return;
	memory = lm_alloc(address.len + 1 + account_size);
	if (!memory)
		return;
	memcpy(memory, address.data, address.len);
	memory[address.len] = '\0';
	memcpy(memory + address.len + 1, account, account_size);
	lm_free(entry->address);
	*entry = (struct found){ memory, address.len, now + cache->life };
}
