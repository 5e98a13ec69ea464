'use strict';
// What require('lettermill') gives; each part adds its line.
const { native } = require('./host');

module.exports = {
	...require('./client'),
	version: native.constants().version,
	...require('./pop3'),
	...require('./smtp'),
};
