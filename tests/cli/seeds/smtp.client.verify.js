myClient.verify('username');
