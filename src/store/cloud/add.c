/* Adding to a cloud store: upserts, several in one request. */
#include "store/cloud/impl.h"

#include "base/error.h"

#include <stdio.h>

struct cloud_add {
	struct lm_mime_add head;
	int64_t timestamp_ms;
	struct lm_buf sourceid, guid, metadata, payload;
};

static void add_free(struct cloud_add *add)
{
	lm_buf_done(&add->sourceid);
	lm_buf_done(&add->guid);
	lm_buf_done(&add->metadata);
	lm_buf_done(&add->payload);
	lm_free(add);
}

static int keep(struct lm_buf *buf, struct lm_bytes octets)
{
	lm_buf_init(buf, octets.len + 1);
	return lm_buf_add(buf, octets);
}

int lm_cloud_add_begin(struct lm_mime_store *store, const struct lm_mime_item *item,
                       struct lm_mime_add **out_add, struct lm_error *out_error)
{
	struct lm_cloud *cloud = (struct lm_cloud *)store;
	struct cloud_add *add;

	if (cloud->batch_err)
		return lm_fail(out_error, cloud->batch_err, "the cloud service failed before");
	add = lm_alloc_zero(1, sizeof(*add));
	if (!add)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	add->head.store = store;
	add->timestamp_ms = item->timestamp_ms;
	lm_buf_init(&add->payload, LM_CLOUD_MESSAGE_MAX);
	if (keep(&add->sourceid, item->sourceid) || keep(&add->guid, item->guid) ||
	    keep(&add->metadata, item->metadata)) {
		add_free(add);
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	}
	*out_add = &add->head;
	return 0;
}

int lm_cloud_add_write(struct lm_mime_add *base, struct lm_bytes octets, struct lm_error *out_error)
{
	struct cloud_add *add = (struct cloud_add *)base;
	int err = lm_buf_add(&add->payload, octets);

	if (err == LM_E_LIMIT)
		return lm_fail(out_error, err, "a cloud store takes messages of at most %d MB",
		               LM_CLOUD_MESSAGE_MAX >> 20);
	return err ? lm_fail(out_error, err, "out of memory") : 0;
}

void lm_cloud_add_abort(struct lm_mime_add *base)
{
	add_free((struct cloud_add *)base);
}

static int put_upsert(const struct lm_cloud *cloud, const struct cloud_add *add, struct lm_buf *sql)
{
	static const char *const keys[] = {
		"messageUTCTimestamp", "sourceid", "guid", "size", "payload", "metadata"
	};
	char time[24], size[24];
	struct lm_bytes values[6] = { { NULL, 0 } };
	int err = lm_buf_printf(sql, "insert INTO %s (", cloud->table);

	snprintf(time, sizeof(time), "%lld", (long long)(add->timestamp_ms / 1000));
	snprintf(size, sizeof(size), "%zu", lm_buf_len(&add->payload));
	values[0] = lm_str(time);
	values[1] = lm_buf_bytes(&add->sourceid);
	values[2] = lm_buf_bytes(&add->guid);
	values[3] = lm_str(size);
	values[4] = lm_buf_bytes(&add->payload);
	values[5] = lm_buf_bytes(&add->metadata);
	for (size_t i = 0; err == 0 && i < 6; i++)
		err = lm_buf_printf(sql, "%s`%s`", i ? "," : "", keys[i]);
	if (err == 0)
		err = lm_buf_add_str(sql, ")   VALUES \r\n(");
	for (size_t i = 0; err == 0 && i < 6; i++) {
		err = i ? lm_buf_add_str(sql, ",") : 0;
		if (err == 0)
			err = lm_cloud_quote(sql, values[i]);
	}
	if (err == 0)
		err = lm_buf_add_str(sql, ") ON DUPLICATE KEY UPDATE ");
	for (size_t i = 0; err == 0 && i < 6; i++)
		err = lm_buf_printf(sql, "%s`%s` = VALUES(`%s`)", i ? "," : "", keys[i], keys[i]);
	return err;
}

static int send_batch(struct lm_cloud *cloud, struct lm_error *out_error)
{
	struct lm_bytes rest;

	if (lm_buf_len(&cloud->batch) == 0 || cloud->batch_err)
		return cloud->batch_err;
	cloud->batch_err = lm_cloud_http_run(&cloud->http, lm_buf_bytes(&cloud->batch), &rest,
	                                     out_error);
	lm_buf_done(&cloud->batch);
	return cloud->batch_err;
}

/* All of a statement, or nothing: half of one would spoil those before it. */
static int append(struct lm_buf *batch, struct lm_bytes sql)
{
	struct lm_bytes between = lm_str(lm_buf_len(batch) ? "__QUERY_SEP__" : "");
	uint8_t *room;
	int err = lm_buf_room(batch, between.len + sql.len, &room);

	if (err == 0)
		err = lm_buf_add(batch, between);
	return err ? err : lm_buf_add(batch, sql);
}

static int fail(int err, struct lm_error *out_error)
{
	return lm_fail(out_error, err, "%s",
	               err == LM_E_LIMIT ? "the message is too long for a cloud store"
	                                 : "out of memory");
}

static int queue(struct lm_cloud *cloud, const struct cloud_add *add, struct lm_error *out_error)
{
	struct lm_buf sql = { .max = LM_CLOUD_SQL_MAX };
	int err = put_upsert(cloud, add, &sql);

	if (err) {
		fail(err, out_error);
	} else if (lm_buf_len(&cloud->batch) &&
	           lm_buf_len(&cloud->batch) + lm_buf_len(&sql) > LM_CLOUD_BATCH) {
		err = send_batch(cloud, out_error);
	}
	if (err == 0) {
		err = append(&cloud->batch, lm_buf_bytes(&sql));
		if (err)
			fail(err, out_error);
	}
	lm_buf_done(&sql);
	return err;
}

int lm_cloud_add_end(struct lm_mime_add *base, char *out_name, struct lm_error *out_error)
{
	struct cloud_add *add = (struct cloud_add *)base;
	struct lm_cloud *cloud = (struct lm_cloud *)base->store;
	int err = 0;

	*out_name = '\0';
	if (cloud->simulate)
		snprintf(out_name, LM_MIME_NAME_SIZE, "added_%llu",
		         (unsigned long long)++cloud->added);
	else if (base->store->commit)
		err = queue(cloud, add, out_error);
	add_free(add);
	return err;
}

int lm_cloud_flush(struct lm_mime_store *store, struct lm_error *out_error)
{
	struct lm_cloud *cloud = (struct lm_cloud *)store;
	int before = cloud->batch_err, err = send_batch(cloud, out_error);

	if (before)
		lm_fail(out_error, before, "the cloud service failed before");
	cloud->batch_err = 0;
	lm_buf_done(&cloud->batch);
	return err;
}
