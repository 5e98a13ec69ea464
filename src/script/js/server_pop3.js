// infinity.pop3.server: see server.js.
// The body of a function of (infinity, native, internal).

internal.lazyServer(infinity.pop3 ??= {}, 'pop3');
