infinity.loadModule('infinity.pop3');
let authMode = infinity.pop3.client.authMode.userPass;
