infinity.loadModule('infinity.smtp');
let myClient = new infinity.smtp.client();
try {
myClient.host = 'smtp.gmail.com';
myClient.port = 465;
myClient.encryptMode = infinity.smtp.client.encryptMode.sslTls;
myClient.authMode = infinity.smtp.client.authMode.default;
myClient.username = 'youraccount@gmail.com';
myClient.password = 'yourpassword';
myClient.connect();
myClient.authenticate();
myClient.send('mail.eml');
myClient.disconnect();
} finally {
myClient.free();
}
