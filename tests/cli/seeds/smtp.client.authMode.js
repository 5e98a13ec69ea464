infinity.loadModule('infinity.smtp');
let authMode = infinity.smtp.client.authMode.default;
