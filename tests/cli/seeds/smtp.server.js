infinity.loadModule('infinity.smtp');
let myServer = new infinity.smtp.server(...);
myServer.onLogin = 'smtp/login.js';
myServer.onReceive = 'smtp/receive.js';
myServer.start();
