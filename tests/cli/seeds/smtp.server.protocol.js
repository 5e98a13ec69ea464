infinity.loadModule('infinity.smtp.server');
let protocol = infinity.smtp.server.protocol.tls1_2;
