// infinity.lmtp.server: see server.js.
// The body of a function of (infinity, native, internal).

internal.lazyServer(infinity.lmtp ??= {}, 'lmtp');
