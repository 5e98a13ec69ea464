// A mail server over plain folders: what comes in by SMTP is an .eml file, which POP3 gives out.
// lettermill run mailserver.js [POP3PORT [SMTPPORT]]

infinity.loadModule('infinity.pop3');
infinity.loadModule('infinity.smtp');

const [pop3Port = 2110, smtpPort = 2525] = infinity.getArgs().map(Number);

const pop3 = new infinity.pop3.server({ host: '127.0.0.1', port: pop3Port });
pop3.onLogin = 'pop3/login.js';
pop3.onTop = 'pop3/top.js';
pop3.onRetrieve = 'pop3/retrieve.js';
pop3.onDelete = 'pop3/delete.js';
pop3.onQuit = 'pop3/quit.js';
pop3.start();

const smtp = new infinity.smtp.server({ host: '127.0.0.1', port: smtpPort });
smtp.onLogin = 'smtp/login.js';
smtp.onMailFrom = 'smtp/mailfrom.js';
smtp.onRcptTo = 'smtp/rcptto.js';
smtp.onReceive = 'smtp/receive.js';
smtp.start();

console.writeLn(`POP3 on ${pop3.address}, SMTP on ${smtp.address}`);
