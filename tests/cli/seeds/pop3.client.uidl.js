let uidlList = myClient.uidl();
