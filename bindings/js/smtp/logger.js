'use strict';
// The option `logger`: true for the console, an object with info, debug and error, else nobody.

const silent = { info() {}, debug() {}, error() {} };

function shown(text, args) {
	let at = 0;
	return text.replace(/%s/g, () => String(args[at++]));
}

const consoleLogger = (component) => {
	const say = (level) => (entry, text, ...args) => {
		const id = entry.cid ? ` [${entry.cid}]` : '';
		console.log(`${new Date().toISOString()} ${component} ${level}${id} ${shown(text, args)}`);
	};
	return { info: say('info'), debug: say('debug'), error: say('error') };
};

function loggerOf({ logger, component = 'smtp-server' }) {
	if (!logger)
		return silent;
	if (logger === true)
		return consoleLogger(component);
	const say = (level) => (entry, text, ...args) => {
		if (typeof logger[level] === 'function')
			logger[level]({ component, ...entry }, text, ...args);
	};
	return { info: say('info'), debug: say('debug'), error: say('error') };
}

module.exports = { loggerOf };
