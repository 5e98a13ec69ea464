infinity.loadModule('infinity.pop3');
let myServer = new infinity.pop3.server();
