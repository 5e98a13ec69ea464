'use strict';
// Where the octets of a message go that is fetched: into one Buffer, or through a Readable.
const host = require('../host');
const { MailError } = require('./error');

/** A promise of all octets of a RETR or TOP. */
async function wholeBody(connection, type, options, { signal } = {}) {
	const pieces = [];
	const body = {
		piece(bytes) {
			pieces.push(bytes);
			connection.taken(bytes.length);
		},
		over() {},
	};
	await connection.request(type, options, { signal, body });
	return pieces.length === 1 ? pieces[0] : host.Buffer.concat(pieces);
}

/** A Readable of the same; the server waits while nobody reads. */
function bodyStream(connection, type, options, { signal } = {}) {
	let untaken = 0, isOver = false, request;
	const take = () => {
		const n = untaken;
		untaken = 0;
		connection.taken(n);
	};
	const stream = new host.Readable({
		read: take,
		destroy(error, done) {
			take();
			if (!isOver && request !== undefined)
				connection.drop(request, new MailError('CANCELED', 'the stream was destroyed',
					{ side: 'client' }));
			done(error);
		},
	});
	const body = {
		piece(bytes) {
			untaken += bytes.length;
			stream.push(bytes);
		},
		over(error) {
			isOver = true;
			if (error)
				stream.destroy(error);
			else
				stream.push(null);
		},
	};
	const made = (it) => {
		request = it;
	};
	connection.request(type, options, { signal, body, made })
		.catch((error) => stream.destroy(error));
	return stream;
}

module.exports = { wholeBody, bodyStream };
