// Any message may go; it does so at QUIT.

infinity.pop3.session.item.deleted = true;
