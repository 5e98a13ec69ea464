/* Made-up rows for the setting "simulate": what the cloud store shows without any service. */
#include "store/cloud/impl.h"

#include "base/error.h"

#include <stdio.h>

enum { BODY_LINES = 16 };

static int put_payload(struct lm_cloud *cloud, size_t id)
{
	int err = lm_buf_printf(&cloud->kept,
	                        "X-IZS-CustomHeader1: {\"id\":%zu}\r\n"
	                        "From: \"send@test.com\" <send@test.com>\r\n"
	                        "To: \"read@test.com\" <read@test.com>\r\n"
	                        "Date: Thu, 19 Nov 2015 16:47:08 +0000\r\n"
	                        "Content-Type: text/plain;\r\n"
	                        "Subject: RE: [channel@test.com] - read@test.com\r\n"
	                        "\r\n",
	                        id);

	for (int i = 0; err == 0 && i < BODY_LINES; i++)
		err = lm_buf_printf(&cloud->kept, "testbodyxxx ff%03zu\r\n", id);
	return err;
}

static int put_row(struct lm_cloud *cloud, size_t id)
{
	struct lm_cloud_row *row = &cloud->rows[id];
	int err = 0;

	for (unsigned f = 0; err == 0 && f < LM_CLOUD_FIELDS; f++) {
		size_t start = lm_buf_len(&cloud->kept);

		if (f == LM_CLOUD_PAYLOAD)
			err = put_payload(cloud, id);
		else if (f == LM_CLOUD_ID)
			err = lm_buf_printf(&cloud->kept, "%zu", id);
		else if (f == LM_CLOUD_SOURCEID)
			err = lm_buf_add_str(&cloud->kept, "simulate");
		else if (f == LM_CLOUD_GUID)
			err = lm_buf_printf(&cloud->kept, "ff%03zu", id);
		else
			err = lm_buf_add_str(&cloud->kept, "0");
		/* `kept` may move: only the length is noted now. */
		row->field[f] = lm_bytes(NULL, lm_buf_len(&cloud->kept) - start);
	}
	return err;
}

int lm_cloud_simulate(struct lm_cloud *cloud, size_t count, struct lm_error *out_error)
{
	const uint8_t *at;
	int err = 0;

	cloud->rows = lm_alloc_zero(count + 1, sizeof(*cloud->rows));
	if (!cloud->rows)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	for (size_t id = 0; err == 0 && id < count; id++)
		err = put_row(cloud, id);
	if (err)
		return lm_fail(out_error, err, "cannot make up messages");
	cloud->count = count;
	at = lm_buf_bytes(&cloud->kept).data;
	for (size_t id = 0; id < count; id++)
		for (unsigned f = 0; f < LM_CLOUD_FIELDS; f++) {
			cloud->rows[id].field[f].data = at;
			at += cloud->rows[id].field[f].len;
		}
	return 0;
}
