// Where the classes of servers stand: each is made at the first look, since handlers, which have
// these modules too, hardly need one.
// The body of a function of (infinity, native, internal); gives internal.lazyServer(place, kind).

internal.lazyServer = (place, kind) => {
	const own = { enumerable: true, configurable: true };
	Object.defineProperty(place, 'server', { ...own, get() {
		internal.need('infinity.server');
		const value = internal.server(kind);
		Object.defineProperty(place, 'server', { ...own, value, writable: true });
		return value;
	} });
};
