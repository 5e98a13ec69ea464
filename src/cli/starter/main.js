// A mail server: what comes in by SMTP rests in mail.db, and is given out by POP3.
// lettermill run main.js [POP3PORT [SMTPPORT]]

infinity.loadModule('infinity.pop3');
infinity.loadModule('infinity.smtp');

const [pop3Port = 2110, smtpPort = 2525] = infinity.getArgs().map(Number);

// Only programs on this machine can connect. To serve others: leave out host, and say ssl: true, so
// that passwords do not travel in the clear; setCertificate() takes the certificate you have.
const pop3 = new infinity.pop3.server({ host: '127.0.0.1', port: pop3Port });
pop3.onLogin = 'pop3/login.js';
pop3.onRetrieve = 'pop3/retrieve.js';
pop3.onQuit = 'pop3/quit.js';
pop3.onDisconnect = 'pop3/disconnect.js';
pop3.start();

const smtp = new infinity.smtp.server({ host: '127.0.0.1', port: smtpPort });
smtp.onRcptTo = 'smtp/rcptto.js';
smtp.onReceive = 'smtp/receive.js';
smtp.start();

console.writeLn(`POP3 on ${pop3.address}, SMTP on ${smtp.address}`);
