myClient.sendStream(myStream);
