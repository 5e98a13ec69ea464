// onReceive: into the maildrop of each recipient. It is on disk when the client hears that we have
// it.

const session = infinity.smtp.session;

for (const { address } of session.envelope.recipients) {
	const [mailbox] = address.split('@');
	const store = infinity.store.open('sqlite:mail.db', { mailbox });
	store.add({ message: session.stream });
	store.flush();
	store.close();
}
session.received = true;
