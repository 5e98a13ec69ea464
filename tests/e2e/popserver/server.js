'use strict';
// A PopServer for tests, in Node.js and in `lettermill run`. Its argument is a file of JSON: { library,
// plain, secure, users: { name: { password, secret } }, messages: [octets, one unit each], tls, sni,
// options }. It says "ready { pop3, pop3s }", then each callback_error.
const inNode = typeof infinity === 'undefined';
const [path] = inNode ? process.argv.slice(2) : infinity.getArgs();
const text = inNode ? require('fs').readFileSync(path, 'utf8') : infinity.file.readString(path);
const settings = JSON.parse(text);
const { PopServer, PopServerConfig, PopUser, PopMessage, English, createSecureContext } =
	require(settings.library);

const octetsOf = (units) => Uint8Array.from(units, (unit) => unit.charCodeAt(0));

class Message extends PopMessage {
	constructor(units, i) {
		super(`uid${i}`, units.length);
		this.octets = octetsOf(units);
	}

	async contents() {
		return this.octets;
	}
}

let messages = settings.messages.map((units, i) => new Message(units, i + 1));

const config = new PopServerConfig(English, {
	async getUser({ username }) {
		const known = settings.users[username];
		return known ? new PopUser(username, known.password, known.secret ?? null) : null;
	},
	async comparePassword(raw, hash) {
		return raw === hash;
	},
	async hasExistingSession() {
		return false;
	},
	async getMessages() {
		return messages;
	},
	async deleteMessages(connection, doomed) {
		messages = messages.filter((message) => !doomed.includes(message));
	},
});

const tls = { ...settings.tls };
if (settings.sni)
	tls.SNICallback = (name, done) => {
		const pair = settings.sni[name];
		if (pair === 'refuse')
			done(new Error(`no ${name} here`));
		else
			done(null, pair && createSecureContext(pair));
	};

const say = (what) => console.log(what);
const server = new PopServer(config, '127.0.0.1', settings.plain, settings.secure, 500, 60000, tls,
	{ authDelay: 0, ...settings.options });
server.on('callback_error', (error, connection, name) => say(`callback_error ${name} ${error.message}`));
server.run().then(() => say(`ready ${JSON.stringify({ pop3: server.address()?.port,
	pop3s: server.address(true)?.port })}`), (error) => say(`failed ${error.code} ${error.message}`));
