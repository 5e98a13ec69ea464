// Lettermill for Node.js: POP3, SMTP and LMTP servers and clients.

/** "major.minor.patch" */
export const version: string;
