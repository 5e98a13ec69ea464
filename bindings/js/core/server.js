'use strict';
// A server and its sessions as objects, and the running of people's callbacks: what PopServer and
// SmtpServer share. The contract (kept by bindings/test/core.js):
//
// new Server({ decides: ['AUTH', …], hears: ['HELO', …], event(session, event), gone(session),
//   deadline: ms, failed(error, session, name) })
//   .set(name, text)  .language(tag, name, texts)  .start()  .endpoint(name)  .reload()
//   .drain(ms) → promise of the end  .stats()  .sessions: Map of number → Session  .running
// Session: .number .info (one object, kept up to date) .data (the owner's) .close() .server
// Event: an entry with .name ('AUTH') and
//   .yes(text, code) .no(result name, { text, code, enhanced, close, silent })
//   .proceed() .user(name) .secret(text) .maildrop([{ octets, uidl }]) .contents(x, finish)
//   .say(text) .certificate(cert, key) .recipients([…])  .answered
//   contents(x): a string, Uint8Array, Readable, async or sync iterable of both, or a promise of one
// server.run(event, name, fn, then): calls fn() of the application; it may give a promise; then(value)
//   runs when it is good. Throwing, rejecting, or not settling within `deadline` answers the event
//   with a temporary failure, once, and tells failed(error, session, name).
