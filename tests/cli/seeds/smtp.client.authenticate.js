myClient.authenticate();
