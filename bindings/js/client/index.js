'use strict';
const { Pop3Client } = require('./pop3');
const { SmtpClient, LmtpClient } = require('./smtp');
const { MailError } = require('./error');

module.exports = { Pop3Client, SmtpClient, LmtpClient, MailError };
