infinity.loadModule('infinity.pop3');
let myClient = new infinity.pop3.client();
