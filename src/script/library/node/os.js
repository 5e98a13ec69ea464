'use strict';
// os: what programs for mail ask.

internal.need('infinity.node');
const { system } = internal;

module.exports = {
	EOL: '\n',
	devNull: '/dev/null',
	arch: () => system.about().machine,
	endianness: () => 'LE',
	homedir: () => require('./process').env.HOME ?? '/',
	hostname: () => system.about().hostName,
	platform: () => 'linux',
	release: () => system.about().release,
	tmpdir: () => infinity.current.temp.replace(/(.)\/$/, '$1'),
	type: () => 'Linux',
};
