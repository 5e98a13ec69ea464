// Anybody may write, but not in the name of our own users without having logged in.

const session = infinity.smtp.session;
const users = JSON.parse(infinity.file.readString('users.json'));
const [, name] = /^([^@]*)(?:@localhost)?$/.exec(session.address) ?? [];
const isOurs = name !== undefined && Object.hasOwn(users, name);

session.accept = !isOurs || session.username === name;
