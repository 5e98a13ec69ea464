'use strict';
// The public tests of npm's smtp-server ask for their own ../lib/…: they get Lettermill's SmtpServer
// instead. Their private parts (SMTPConnection, SMTPStream) are not there: a test of those fails.
const Module = require('module');
const path = require('path');

const asked = /^\.\.\/lib\/smtp-(server|connection|stream)$/;
const resolve = Module._resolveFilename;

Module._resolveFilename = function resolveFilename(request, parent, ...rest) {
	const isTest = path.basename(path.dirname(parent?.filename ?? '')) === 'test';
	return isTest && asked.test(request) ? __filename : resolve.call(this, request, parent, ...rest);
};

exports.SMTPServer = require('../../node').SMTPServer;
