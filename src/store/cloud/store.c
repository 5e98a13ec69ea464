/* A cloud store: rows of a table behind an HTTP service, queried and marked by SQL. */
#include "store/cloud/impl.h"

#include "base/error.h"
#include "wire/text.h"

#include <stdio.h>

enum { DEFAULT_LIMIT = 1, SIMULATED = 10, MAX_TABLE = 128, MAX_TOKEN = 4096 };

static struct lm_cloud *cloud_of(struct lm_mime_store *store)
{
	return (struct lm_cloud *)store;
}

static void forget(struct lm_cloud *cloud)
{
	lm_free(cloud->rows);
	lm_free(cloud->items);
	lm_buf_done(&cloud->kept);
	cloud->rows = NULL;
	cloud->items = NULL;
	cloud->count = 0;
}

static void cloud_close(struct lm_mime_store *store)
{
	struct lm_cloud *cloud = cloud_of(store);

	forget(cloud);
	lm_buf_done(&cloud->batch);
	lm_cloud_http_close(&cloud->http);
	lm_free(cloud->table);
	lm_free(cloud->group);
	lm_free(cloud->item);
	lm_free(cloud);
}

static int put_tags(struct lm_buf *sql, unsigned tags)
{
	const char *before = " in (";
	int err = 0;

	if ((tags & (tags - 1)) == 0)
		return lm_buf_printf(sql, " = %d", __builtin_ctz(tags));
	for (unsigned tag = 0; err == 0 && tag < LM_TAG_COUNT; tag++) {
		if (!(tags & 1U << tag))
			continue;
		err = lm_buf_printf(sql, "%s%u", before, tag);
		before = ",";
	}
	return err ? err : lm_buf_add_str(sql, ")");
}

/* `id`: that row; NULL: those with one of the tags. */
static int make_select(const struct lm_cloud *cloud, const char *id, unsigned tags, size_t limit,
                       struct lm_buf *sql)
{
	int err = lm_buf_printf(sql,
	                        "select id,status,groupid,messageUTCTimestamp,created,sourceid,"
	                        "guid,size,payload from %s where ",
	                        cloud->table);

	if (err == 0 && id)
		err = lm_buf_printf(sql, "id = %s", id);
	else if (err == 0)
		err = lm_buf_add_str(sql, "status");
	if (err == 0 && !id)
		err = put_tags(sql, tags);
	if (err == 0 && !id)
		err = lm_buf_printf(sql, " and groupid = %s", cloud->group);
	if (err == 0 && cloud->order)
		err = lm_buf_printf(sql, " order by id %s", cloud->order);
	if (err == 0 && limit != SIZE_MAX)
		err = lm_buf_printf(sql, " limit %zu", limit);
	return err;
}

static int run_select(struct lm_cloud *cloud, const char *id, unsigned tags, size_t limit,
                      struct lm_error *out_error)
{
	struct lm_buf sql = { .max = 4096 };
	struct lm_bytes rest = { NULL, 0 };
	int err = make_select(cloud, id, tags, limit, &sql);

	err = err ? lm_fail(out_error, err, "a query of too many words")
	          : lm_cloud_http_run(&cloud->http, lm_buf_bytes(&sql), &rest, out_error);
	lm_buf_done(&sql);
	if (err)
		return err;
	cloud->kept = cloud->http.answer; /* the rows stay in it */
	lm_buf_init(&cloud->http.answer, LM_CLOUD_ANSWER_MAX);
	return lm_cloud_rows(rest, &cloud->rows, &cloud->count, out_error);
}

/* Seconds, as izy has it; what is too large for them is milliseconds. */
static int64_t timestamp_ms(struct lm_bytes field)
{
	uint64_t number;

	if (!lm_parse_number(field, INT64_MAX / 1000, &number))
		return 0;
	return (int64_t)(number < 100000000000ULL ? number * 1000 : number);
}

static struct lm_mime_item item_of(const struct lm_cloud_row *row)
{
	uint64_t status;
	bool known = lm_parse_number(row->field[LM_CLOUD_STATUS], LM_TAG_COUNT - 1, &status);

	return (struct lm_mime_item){
		.name = row->field[LM_CLOUD_ID],
		.sourceid = row->field[LM_CLOUD_SOURCEID],
		.guid = row->field[LM_CLOUD_GUID],
		.octets = row->field[LM_CLOUD_PAYLOAD].len,
		.timestamp_ms = timestamp_ms(row->field[LM_CLOUD_TIMESTAMP]),
		.tag = known ? (enum lm_mime_tag)status : LM_TAG_UNREAD,
	};
}

static int answer(struct lm_cloud *cloud, struct lm_mime_query *out_query,
                  struct lm_error *out_error)
{
	struct lm_mime_query query = { 0 };

	cloud->items = lm_alloc_zero(cloud->count + 1, sizeof(*cloud->items));
	if (!cloud->items)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	for (size_t i = 0; i < cloud->count; i++) {
		cloud->items[i] = item_of(&cloud->rows[i]);
		query.total_octets += cloud->items[i].octets;
	}
	query.items = cloud->items;
	query.count = cloud->count;
	*out_query = query;
	return 0;
}

static int query(struct lm_mime_store *store, unsigned tags, size_t limit,
                 struct lm_mime_query *out_query, struct lm_error *out_error)
{
	struct lm_cloud *cloud = cloud_of(store);
	int err = lm_cloud_flush(store, out_error);

	forget(cloud);
	tags = tags ? tags : LM_TAG_BIT(LM_TAG_UNREAD);
	limit = limit ? limit : cloud->limit;
	if (err == 0 && !cloud->simulate)
		err = run_select(cloud, cloud->item, tags, limit, out_error);
	else if (err == 0 && tags & LM_TAG_BIT(LM_TAG_UNREAD))
		err = lm_cloud_simulate(cloud, limit < SIMULATED ? limit : SIMULATED, out_error);
	if (err == 0)
		err = answer(cloud, out_query, out_error);
	return err;
}

static const struct lm_cloud_row *find(const struct lm_cloud *cloud, struct lm_bytes name)
{
	for (size_t i = 0; i < cloud->count; i++)
		if (lm_bytes_equal(cloud->rows[i].field[LM_CLOUD_ID], name))
			return &cloud->rows[i];
	return NULL;
}

/* What nobody can have asked for cannot be there, and is not put into SQL. */
static int check_name(const struct lm_cloud *cloud, struct lm_bytes name,
                      struct lm_error *out_error)
{
	if (lm_cloud_is_number(name) && (!cloud->simulate || find(cloud, name)))
		return 0;
	return lm_fail(out_error, LM_E_NOT_FOUND, "no such message");
}

/* A row of no query: asked for by its number, without touching what the last query gave. */
static int read_alone(struct lm_cloud *cloud, struct lm_bytes name,
                      int (*sink)(void *ctx, struct lm_bytes octets), void *ctx,
                      struct lm_error *out_error)
{
	struct lm_buf sql = { .max = 4096 };
	struct lm_cloud_row *rows = NULL;
	struct lm_bytes rest = { NULL, 0 };
	char id[24];
	size_t count;
	int err;

	snprintf(id, sizeof(id), "%.*s", LM_FMT(name));
	err = make_select(cloud, id, 0, 1, &sql);
	if (err)
		lm_fail(out_error, err, "out of memory");
	else
		err = lm_cloud_http_run(&cloud->http, lm_buf_bytes(&sql), &rest, out_error);
	lm_buf_done(&sql);
	if (err == 0)
		err = lm_cloud_rows(rest, &rows, &count, out_error);
	if (err)
		return err;
	if (count == 0)
		err = lm_fail(out_error, LM_E_NOT_FOUND, "no such message");
	else
		err = sink(ctx, rows[0].field[LM_CLOUD_PAYLOAD]);
	lm_free(rows);
	return err;
}

static int cloud_read(struct lm_mime_store *store, const struct lm_mime_item *item,
                      int (*sink)(void *ctx, struct lm_bytes octets), void *ctx,
                      struct lm_error *out_error)
{
	struct lm_cloud *cloud = cloud_of(store);
	const struct lm_cloud_row *row = find(cloud, item->name);
	int err = check_name(cloud, item->name, out_error);

	if (err)
		return err;
	if (row)
		return sink(ctx, row->field[LM_CLOUD_PAYLOAD]);
	err = lm_cloud_flush(store, out_error);
	return err ? err : read_alone(cloud, item->name, sink, ctx, out_error);
}

/* A dry run asks the service for nothing, which shows whether it is there. */
static int mark(struct lm_mime_store *store, const struct lm_mime_item *item, enum lm_mime_tag tag,
                struct lm_error *out_error)
{
	struct lm_cloud *cloud = cloud_of(store);
	struct lm_buf sql = { .max = 4096 };
	struct lm_bytes rest = { NULL, 0 };
	int err = check_name(cloud, item->name, out_error);

	if (err || cloud->simulate)
		return err;
	err = lm_cloud_flush(store, out_error);
	if (err)
		return err;
	err = store->commit
	              ? lm_buf_printf(&sql, "update %s set status = %d where id = %.*s limit 1",
	                              cloud->table, (int)tag, LM_FMT(item->name))
	              : lm_buf_add_str(&sql, "select 1");
	if (err)
		lm_fail(out_error, err, "out of memory");
	else
		err = lm_cloud_http_run(&cloud->http, lm_buf_bytes(&sql), &rest, out_error);
	lm_buf_done(&sql);
	return err;
}

static const struct lm_mime_ops ops = {
	.close = cloud_close,
	.query = query,
	.read = cloud_read,
	.mark = mark,
	.add_begin = lm_cloud_add_begin,
	.add_write = lm_cloud_add_write,
	.add_end = lm_cloud_add_end,
	.add_abort = lm_cloud_add_abort,
	.flush = lm_cloud_flush,
};

static bool is_table(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                          "0123456789_.$");

	return len && len <= MAX_TABLE && !name[len];
}

static bool is_token(const char *token)
{
	for (size_t i = 0; token[i]; i++)
		if (token[i] <= ' ' || token[i] > '~' || i >= MAX_TOKEN)
			return false;
	return !strstr(token, "_=_:)a");
}

/* They stand in SQL, or before it, as they are. */
static int check_words(const struct lm_mime_conf *conf, struct lm_error *out_error)
{
	static const struct {
		enum lm_mime_key key;
		const char *name;
	} numbers[] = { { LM_MIME_GROUPID, "groupid" }, { LM_MIME_ITEMID, "itemid" } };
	const char *table = conf->value[LM_MIME_TABLENAME];
	const char *token = conf->value[LM_MIME_ACCESSTOKEN];

	if (!table || !*table)
		return lm_fail(out_error, LM_E_CONFIG,
		               "Please specify the tablename for the cloud store.");
	if (!is_table(table))
		return lm_fail(out_error, LM_E_CONFIG,
		               "tablename: letters, digits, _, . and $ only, at most %d",
		               MAX_TABLE);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		const char *value = conf->value[numbers[i].key];

		if (value && *value && !lm_cloud_is_number(lm_str(value)))
			return lm_fail(out_error, LM_E_CONFIG, "%s: \"%.40s\" is no number",
			               numbers[i].name, value);
	}
	if (token && !is_token(token))
		return lm_fail(out_error, LM_E_CONFIG,
		               "accesstoken: has spaces or letters that no token has");
	return 0;
}

static int copy_words(struct lm_cloud *cloud, const struct lm_mime_conf *conf)
{
	const char *group = conf->value[LM_MIME_GROUPID], *item = conf->value[LM_MIME_ITEMID];

	cloud->table = lm_strdup_bytes(lm_str(conf->value[LM_MIME_TABLENAME]));
	cloud->group = lm_strdup_bytes(lm_str(group && *group ? group : "0"));
	if (item && *item)
		cloud->item = lm_strdup_bytes(lm_str(item));
	return cloud->table && cloud->group && (cloud->item || !item || !*item) ? 0 : LM_E_NOMEM;
}

static int prepare(struct lm_cloud *cloud, const char *rest, const struct lm_mime_conf *conf,
                   struct lm_error *out_error)
{
	const char *order = conf->value[LM_MIME_ORDERBY], *service;
	int err = check_words(conf, out_error);

	if (err)
		return err;
	if (copy_words(cloud, conf))
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	cloud->simulate = conf->simulate;
	cloud->limit = conf->limit ? conf->limit : conf->simulate ? SIMULATED : DEFAULT_LIMIT;
	cloud->order = !order || !*order ? NULL : conf->descending ? "desc" : "asc";
	if (cloud->simulate)
		return 0;
	err = lm_mime_place(rest, conf, LM_MIME_DATASERVICE, &service, out_error);
	return err ? err : lm_cloud_http_open(&cloud->http, service, conf, out_error);
}

int lm_cloud_open(const char *url, const char *rest, const struct lm_mime_conf *conf,
                  struct lm_mime_store **out_store, struct lm_error *out_error)
{
	struct lm_cloud *cloud = lm_alloc_zero(1, sizeof(*cloud));
	int err;

	(void)url;
	if (!cloud)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	cloud->head.ops = &ops;
	cloud->head.caps = conf->simulate ? 0 : LM_MIME_DURABLE;
	lm_buf_init(&cloud->batch, LM_CLOUD_SQL_MAX);
	lm_buf_init(&cloud->kept, LM_CLOUD_ANSWER_MAX);
	err = prepare(cloud, rest, conf, out_error);
	if (err)
		cloud_close(&cloud->head);
	else
		*out_store = &cloud->head;
	return err;
}
