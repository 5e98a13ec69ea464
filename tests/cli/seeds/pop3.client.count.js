let newMessagesCount = myClient.count();
