// onDisconnect: every session ends here, with QUIT or without.

infinity.pop3.session.store?.close();
