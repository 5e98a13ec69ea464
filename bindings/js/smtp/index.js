'use strict';
// What require('lettermill/smtp') gives.
const { SmtpServer } = require('./server');
const { createSecureContext } = require('../core/tls');

module.exports = { SmtpServer, SMTPServer: SmtpServer, createSecureContext };
