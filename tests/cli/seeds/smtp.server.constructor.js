infinity.loadModule('infinity.smtp');
let myServer = new infinity.smtp.server();
