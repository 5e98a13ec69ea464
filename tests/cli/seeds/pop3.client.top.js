myClient.top(msgNum);
myClient.top(msgNum, fileName);
