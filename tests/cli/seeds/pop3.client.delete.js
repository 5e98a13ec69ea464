myClient.delete(1);
