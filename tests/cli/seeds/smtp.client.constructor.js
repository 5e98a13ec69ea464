infinity.loadModule('infinity.smtp');
let myClient = new infinity.smtp.client();
