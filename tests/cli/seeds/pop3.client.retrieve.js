let messageText = myClient.retrieve(1);
myClient.retrieve(msgNum, fileName);
