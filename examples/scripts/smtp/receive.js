// One file for each recipient, which is there when it is whole and on disk.

const session = infinity.smtp.session;
const stamp = `${Date.now()}-${infinity.crypto.randomUUID()}`;

for (const { address } of session.envelope.recipients) {
	const folder = `mail/${address.split('@')[0]}`;
	infinity.directory.create(folder);
	infinity.file.writeString(`${folder}/${stamp}.eml`, session.msg);
}
session.received = true;
