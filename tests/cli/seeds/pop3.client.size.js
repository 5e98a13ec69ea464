myClient.size();
