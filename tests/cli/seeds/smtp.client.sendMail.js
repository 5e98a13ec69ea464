myClient.sendMail(myMail);
