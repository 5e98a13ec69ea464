myClient.disconnect();
