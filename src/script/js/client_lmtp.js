'use strict';
// infinity.lmtp.client: as SMTP, with a reply for each recipient. No port means TLS here.

infinity.lmtp ??= {};
infinity.lmtp.client = internal.makeMailer({
	label: 'infinity.lmtp.client',
	protocol: 3,
	port: 24,
	tlsPort: 0,
});
