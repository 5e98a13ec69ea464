'use strict';
// What require('lettermill/pop3') gives.
const { Language, LanguageName, getLanguage, English, Dutch } = require('./languages');
const { Flags, PopMessage, PopMessageFlag } = require('./message');

module.exports = {
	...require('./server'),
	PopServerConfig: require('./config').PopServerConfig,
	...require('./session'),
	...require('./socket'),
	PopUser: require('./user').PopUser,
	EmailAddress: require('./user').EmailAddress,
	PopMessage, PopMessageFlag, Flags,
	...require('./banner'),
	...require('./command'),
	...require('./response'),
	...require('./capability'),
	...require('./data_buffer'),
	Language, LanguageName, getLanguage, get_language: getLanguage, English, Dutch,
	createSecureContext: require('../core/tls').createSecureContext,
};
