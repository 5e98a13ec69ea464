myClient.free();
