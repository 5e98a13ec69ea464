myClient.sendFile('mail.eml');
