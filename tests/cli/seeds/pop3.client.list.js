let messageList = myClient.list();
console.debug(messageList[0]['size']);
