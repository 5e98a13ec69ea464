'use strict';
// infinity.smtp.client.

infinity.smtp ??= {};
infinity.smtp.client = internal.makeMailer({
	label: 'infinity.smtp.client',
	protocol: 1,
	port: 25,
	tlsPort: 465,
});
