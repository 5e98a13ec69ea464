const { session } = infinity.smtp ?? infinity.lmtp;

session.accept = true;
