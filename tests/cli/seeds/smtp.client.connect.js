myClient.connect();
