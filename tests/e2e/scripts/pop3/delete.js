infinity.pop3.session.item.deleted = true;
