// Mail for our own users, as name or name@localhost; nothing is passed on to elsewhere.

const session = infinity.smtp.session;
const users = JSON.parse(infinity.file.readString('users.json'));
const [, name] = /^([^@]+)(?:@localhost)?$/.exec(session.address) ?? [];

session.accept = name !== undefined && Object.hasOwn(users, name);
