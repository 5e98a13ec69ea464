// What JavaScript finds in `lettermill run`: every module, class, property, method, enumeration.
// Without "lib": ["DOM"], whose globals are other ones; see jsconfig.json of `lettermill init`.
// What lies between "made from" and "end" is written by tools/types; the rest by hand, and
// tests/e2e/test_types.py compares it with the running program, member by member.

/** Octets, in or out of a string: a string stands for its octets in UTF-8, where U+DC80 to U+DCFF
 * are single octets that no UTF-8 is. */
type Octets = string | Uint8Array | ArrayBuffer;

/** The mail runtime. Modules marked so must be loaded with infinity.loadModule() first. */
declare namespace infinity {
	/** Loads a module: infinity.pop3, infinity.smtp, infinity.lmtp, infinity.mail; the others need
	 * none. Again it does nothing. Throws for an unknown name. */
	function loadModule(moduleName: string): void;
	/** Runs a script in the global scope, once. Its name is relative to the main script's folder. */
	function include(fileName: string): void;
	/** What stood behind the main script on the command line. */
	function getArgs(): string[];
	/** A global variable by its name, undefined where there is none. */
	function getGlobal(name: string): any;
	/** Waits; nothing else of this script runs meanwhile. Ends early when the program shall end. */
	function sleep(milliSeconds: number): void;
	/** Asks the program to end: servers finish what they began, infinity.terminated becomes true. */
	function terminate(code?: number): void;
	/** Collects garbage. */
	function gc(): void;
	/** Rings the terminal's bell. */
	function beep(): void;
	/** The program shall end. */
	const terminated: boolean;
	/** The thread this script runs on shall end. */
	const threadTerminated: boolean;
	/** The date that says there is none. */
	const nullTimestamp: number;
	/** Lettermill's version. */
	const version: string;
	/** The JavaScript engine and its version. */
	const engine: string;

	/** Folders, absolute, with a slash behind. */
	namespace current {
		/** The main script's; script files are relative to it. */
		const root: string;
		/** Data files are relative to it. */
		const data: string;
		/** The executable's. */
		const run: string;
		/** For temporary files. */
		const temp: string;
	}

	// ---- What clients of all protocols have ----

	/** What a client's call throws when the server or the network refuses. */
	interface ClientError extends Error {
		/** AUTH, TLS, TIMEOUT, DENIED, AGAIN, CLOSED, CONFIG, MISUSE and the like. */
		code: string;
		/** What was sent, secrets masked. */
		command?: string;
		/** What the server answered. */
		reply?: ClientReply;
		/** Of a message that was sent: what became of each recipient. */
		recipients?: RecipientResult[];
		/** Of a message that was sent: the connection ended before its answer. */
		unknown?: boolean;
	}

	/** A server's answer. */
	interface ClientReply {
		ok: boolean;
		/** SMTP and LMTP: 250. */
		code: number | null;
		/** "5.1.1" */
		enhanced: string | null;
		text: string;
		/** "IN-USE", "AUTH", "SYS/TEMP" and the like. */
		pop3Code: string | null;
	}

	/** A client's connection under TLS. */
	interface ClientTls {
		version: string;
		cipher: string;
		bits: number;
		/** Why the certificate would not be taken with verifyServerCertificate; "": it would. */
		doubt: string;
	}

	/** Versions of TLS. */
	interface TlsProtocols {
		readonly tls1_0: 2;
		readonly tls1_1: 3;
		readonly tls1_2: 4;
		readonly tls1_3: 5;
	}

	interface EncryptModes {
		/** In the clear. */
		readonly none: 0;
		/** TLS: from the first octet at the port for that, else by STLS or STARTTLS. */
		readonly sslTls: 1;
		/** STLS or STARTTLS at any port. */
		readonly startTls: 2;
	}

	/** Properties and calls of all clients. Calls wait; their twins with Async give promises. */
	interface Client {
		/** Name or address of the server. */
		host: string;
		/** 110, 25 or 24; under TLS from the first octet 995 or 465. */
		port: number;
		username: string;
		password: string;
		/** Milliseconds to connect in, and for each answer: 30000. */
		timeout: number;
		/** A bad certificate ends connect(): false. */
		verifyServerCertificate: boolean;
		/** Servers without RFC 5746 will do: false. */
		useLegacyServerConnect: boolean;
		/** Unsafe renegotiation will do: false. */
		allowUnsafeLegacyRenegotiation: boolean;
		/** TLS from the first octet, or not, at any port. */
		implicitTls: boolean | undefined;
		/** Who signs servers' certificates, PEM; "": those the system trusts. */
		caFile: string;
		/** The client's own certificate, PEM. */
		certFile: string;
		keyFile: string;
		/** The oldest version of TLS. */
		minProtocol: 2 | 3 | 4 | 5;
		/** The newest version of TLS. */
		maxProtocol: 2 | 3 | 4 | 5;
		/** With authMode sasl: the one to use, "SCRAM-SHA-256". */
		mechanism: string;
		/** For OAUTHBEARER and XOAUTH2. */
		token: string;
		/** Whom to act for, where that is not the user. */
		authorizationId: string;
		readonly connected: boolean;
		/** What the server says it can, a line each. */
		readonly capabilities: string[];
		readonly greeting: string;
		/** null: not under TLS. */
		readonly tls: ClientTls | null;
		readonly lastReply: ClientReply | null;
		noop(): void;
		noopAsync(): Promise<void>;
		/** QUIT, and the connection ends. Nothing where there is none. */
		disconnect(): void;
		disconnectAsync(): Promise<void>;
		/** Closes at once; the object can be used no more. */
		free(): void;
	}

	// ---- What clients of SMTP and LMTP have ----

	/** What became of one recipient. */
	interface RecipientResult {
		address: string;
		accepted: boolean;
		/** Where it was refused: DENIED, AGAIN and the like. */
		error?: string;
		reply: ClientReply;
	}

	/** What became of a message. */
	interface SendResult {
		get sender(): string;
		set sender(value: string | mail.addressLike);
		/** Octets. */
		size: number;
		/** The connection ended before the answer: the server may have it or not. */
		unknown: boolean;
		/** How many recipients were accepted. */
		accepted: number;
		recipients: RecipientResult[];
	}

	/** The envelope, where it is not what the message's header says. */
	interface SendOptions {
		/** Else Return-Path, Sender or From. */
		from?: string;
		/** Else To, Cc and Bcc. */
		to?: string | string[];
		/** When the server shall report (RFC 3461). */
		notify?: Notify | Notify[];
		/** How much a report shall return. */
		ret?: 'full' | 'headers';
		envelopeId?: string;
		/** Only over TLS, all the way (RFC 8689). */
		requireTls?: boolean;
		/** Bcc stays in the message. */
		keepBcc?: boolean;
	}
	type Notify = 'never' | 'success' | 'failure' | 'delay';

	interface MailerAuthModes {
		/** authenticate() does nothing. */
		readonly none: 0;
		/** User name and password. */
		readonly default: 1;
		/** The best of what the server offers, or `mechanism`. */
		readonly sasl: 2;
	}

	/** Clients of SMTP and LMTP. */
	interface Mailer extends Client {
		authMode: 0 | 1 | 2;
		encryptMode: 0 | 1 | 2;
		/** The name given with EHLO; "": this machine's. */
		helo: string;
		/** Octets above 127 are sent to servers without 8BITMIME as they are: false. */
		force8bit: boolean;
		readonly authenticated: boolean;
		/** What became of the last message. */
		readonly lastResult: SendResult | null;
		/** Connects; TLS, but no login. */
		connect(): void;
		connectAsync(): Promise<void>;
		/** Logs in. false: refused. */
		authenticate(): boolean;
		authenticateAsync(): Promise<boolean>;
		/** Sends a file; the same as sendFile(). */
		send(fileName: string, options?: SendOptions): void;
		sendAsync(fileName: string, options?: SendOptions): Promise<void>;
		/** Sends a file that holds a message. Its name is relative to the data folder. */
		sendFile(fileName: string, options?: SendOptions): void;
		sendFileAsync(fileName: string, options?: SendOptions): Promise<void>;
		/** Sends all of a stream. */
		sendStream(stream: stream, options?: SendOptions): void;
		sendStreamAsync(stream: stream, options?: SendOptions): Promise<void>;
		sendString(text: string, options?: SendOptions): void;
		sendStringAsync(text: string, options?: SendOptions): Promise<void>;
		sendBytes(bytes: Uint8Array | ArrayBuffer, options?: SendOptions): void;
		sendBytesAsync(bytes: Uint8Array | ArrayBuffer, options?: SendOptions): Promise<void>;
		sendMail(mail: mail, options?: SendOptions): void;
		sendMailAsync(mail: mail, options?: SendOptions): Promise<void>;
		/** VRFY: what the server says of a name or an address. */
		verify(username: string): string;
		verifyAsync(username: string): Promise<string>;
		/** RSET. */
		reset(): void;
		resetAsync(): Promise<void>;
	}

	// ---- What servers of all protocols have ----

	/** A script's file, relative to the main script's folder, which runs for each event on a
	 * worker; or a function, which runs in the main script. null: none. */
	type Handler<S> = string | ((session: S) => unknown) | null | undefined;

	/** Figures of a server. */
	interface ServerStats {
		sessionsOpen: number;
		sessionsTotal: number;
		sessionsRefused: number;
		messagesIn: number;
		messagesOut: number;
		octetsIn: number;
		octetsOut: number;
		authFailures: number;
	}

	/** What servers of all protocols have. */
	interface Server {
		/** Listens, and returns. */
		start(): void;
		/** Stops to listen; running transactions may finish, for `timeout` milliseconds at most. */
		stop(timeout?: number): void;
		stopAsync(timeout?: number): Promise<void>;
		/** The same as stop(). */
		free(): void;
		/** Certificate and key, PEM. rootCertFile: who signed it, or signs clients'. verify: it must
		 * be good when the server starts. */
		setCertificate(certFile: string, keyFile: string, rootCertFile?: string | null,
			verify?: boolean): void;
		readonly running: boolean;
		/** "127.0.0.1:2525"; null: it does not run. */
		readonly address: string | null;
		readonly host: string;
		readonly stats: ServerStats;
	}

	/** What the constructor of a server takes as an object, beside its handlers. */
	interface CommonServerOptions extends ServerTableOptions {
		/** TLS: from the first octet at port 995 or 465, else by STLS or STARTTLS. */
		ssl?: boolean;
		/** The certificate must be good when the server starts. */
		verifyCertificate?: boolean;
		/** The address to listen on; "*": all, which is the default. */
		host?: string;
		/** Script workers, one thread each: 64. */
		poolSize?: number;
		/** The oldest version of TLS. */
		minProtocol?: 2 | 3 | 4 | 5;
		/** The newest version of TLS. */
		maxProtocol?: 2 | 3 | 4 | 5;
		/** TLS from the first octet at any port. */
		implicitTls?: boolean;
		/** Clients are asked for certificates, signed by setCertificate()'s rootCertFile. */
		clientCertificates?: boolean;
		/** Milliseconds of processor time an event may take: 5000. */
		cpuBudget?: number;
		/** Octets a worker's memory may take: 512 MB. */
		heapBudget?: number;
	}

	/** The options of every server, by the names of `lettermill serve` in camel case. */
	interface ServerTableOptions {
		// made from src/server/options.def
		/** Threads that serve connections; 0 starts one for each processor. Default: 0. */
		workers?: number;
		/** Where mail rests: sqlite:PATH; maildir:PATH, which other programs may read and fill
		 * (PATH/NAME for each account, or %u in PATH stands for NAME); or memory: which forgets all
		 * at the end; or none, for programs whose own handlers do without. Default:
		 * sqlite:lettermill.db in the data directory. */
		store?: string;
		/** Where accounts rest: sqlite:PATH. Default: beside the mail, where that is a sqlite:
		 * store; for maildir: sqlite:lettermill.db in the data directory; none for memory:. */
		accounts?: string;
		/** Where files go that have no path of their own. Default: lettermill in $XDG_DATA_HOME
		 * or in ~/.local/share; /var/lib/lettermill for root. */
		dataDir?: string;
		/** An account for as long as the server runs, for trials: other users of the machine may
		 * see it in the process list. "lettermill user add" makes lasting ones. Repeatable. */
		user?: string | string[];
		/** The name said in greetings and written into Received; clients compare it with the
		 * certificate. Default: the machine's own. */
		hostname?: string;
		/** Mail for local@DOMAIN goes to the account local@DOMAIN, or to local where only that
		 * exists; all other domains are refused. Without it every account name is its own address.
		 * Repeatable. */
		domain?: string | string[];
		/** Mail for anyone at all goes to this account: for development, where no test mail may
		 * get out. */
		catchAll?: string;
		/** Mail for postmaster, plain or at one of --domain, goes to this account where none is
		 * named postmaster: RFC 5321 4.5.1 wants it taken. */
		postmaster?: string;
		/** The language POP3 replies start with; a client may choose another with LANG. Programs
		 * may add languages of their own (lm_server_language), whose tags can stand here, too.
		 * Default: en. */
		language?: string;
		/** What CAPA calls this server (RFC 2449 6.9). Default: Lettermill and its version. */
		implementation?: string;
		/** Capabilities, extensions and commands not to offer, separated by commas, as
		 * "APOP,STLS,STARTTLS,VRFY": for finding faults in clients, and for old ones that stumble
		 * over what is new. Such a command is answered as an unknown one. */
		hide?: string | string[];
		/** Certificate and its chain, PEM. Default: cert.pem in the data directory, self-signed
		 * at the first start, which clients must be told to trust. */
		cert?: string;
		/** The certificate's private key, PEM. Default: key.pem in the data directory, or the
		 * file of --cert where that is given alone. */
		key?: string;
		/** What opens private keys that are encrypted. */
		keyPassphrase?: string;
		/** Another certificate for clients that ask for this host name (SNI), so that one server
		 * serves several domains. Repeatable. */
		tlsCertFor?: string | string[];
		/** The oldest TLS version to accept; below 1.2 is unsafe and only for old devices (RFC
		 * 8996). Default: 1.2. */
		tlsMin?: '1.0' | '1.1' | '1.2' | '1.3';
		/** The newest TLS version to offer; for finding faults in clients. Default: 1.3. */
		tlsMax?: '1.0' | '1.1' | '1.2' | '1.3';
		/** Which ciphers to offer: an OpenSSL list, with the suites of TLS 1.3 (names with TLS_
		 * in front) among it; versions for which none is named are not spoken. Default: those with
		 * forward secrecy and authenticated encryption. */
		tlsCiphers?: string;
		/** Ask clients for a certificate signed by one of these, PEM; it lets them log in without
		 * a password (SASL EXTERNAL). */
		clientCa?: string;
		/** Refuse clients under TLS that show no certificate of --client-ca. Default: no. */
		requireClientCert?: boolean;
		/** Refuse mail and every kind of login until the connection is under TLS, on loopback
		 * too. Default: no. */
		requireTls?: boolean;
		/** SASL mechanisms to offer where they can work, separated by commas; "none" for no AUTH.
		 * CRAM-MD5 must be asked for: it needs passwords kept in the clear. Default: SCRAM-
		 * SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 EXTERNAL OAUTHBEARER XOAUTH2 PLAIN
		 * LOGIN. */
		auth?: string | string[];
		/** Greet POP3 clients with the stamp that APOP needs: auto does so where some account
		 * keeps its password in the clear; yes is for programs whose handlers give secrets. Default:
		 * auto. */
		apop?: 'auto' | 'yes' | 'no' | boolean;
		/** Where mail is taken only after login: on submission and smtps, or on smtp and lmtp,
		 * too, or nowhere, so that handlers decide. Default: submission. */
		requireLogin?: 'submission' | 'yes' | 'no' | boolean;
		/** Accept passwords in the clear from other machines, where anyone on the way can read
		 * them. Loopback and TLS never need this. Default: no. */
		allowPlaintextLogin?: boolean;
		/** Failed logins after which the connection is closed, to slow down guessing. Default: 3.
		 * */
		maxAuthFailures?: number;
		/** How long a failed login waits for its answer, to slow down guessing. Default: 2s. */
		authDelay?: number | string;
		/** The least time between two POP3 logins to one account (RFC 2449 6.5), against clients
		 * that ask all the time. Default: 0s. */
		loginDelay?: number | string;
		/** Larger messages are refused, as early as the client says so; 0 is no limit. Default:
		 * 50M. */
		maxMessageSize?: number | string;
		/** Recipients of one message; RFC 5321 4.5.3.1.8 asks for at least 100. Default: 1000. */
		maxRecipients?: number;
		/** Connections at a time; more are told to come back later, so that memory stays bounded.
		 * Default: 10000. */
		maxConnections?: number;
		/** The same for one client address, so that one client cannot keep out all others; 0 is
		 * no limit. Default: 1000. */
		maxConnectionsPerAddress?: number;
		/** Silence after which a connection is closed; RFC 1939 asks for 10 minutes, RFC 5321 for
		 * 5. Default: 10m. */
		idleTimeout?: number | string;
		/** How long one command line may take to arrive, against clients that send an octet at a
		 * time. Default: 60s. */
		commandTimeout?: number | string;
		/** Octets a second a message must at least come with, over a minute, and go with, over
		 * two, against the same; 0 is any speed. Default: 64. */
		minRate?: number | string;
		/** Bad commands after which a connection is closed: it is not a mail client. Default: 10.
		 * */
		maxErrors?: number;
		/** SMTP commands before a login after which a connection is closed, where login is
		 * offered: who has an account does not look round for long; 0 is no limit. Default: 0. */
		maxUnauthenticatedCommands?: number;
		/** How long a handler or the store may think; then the client gets a temporary failure
		 * and may try again. Default: 30s. */
		handlerTimeout?: number | string;
		/** What to do with messages in which CR or LF stands alone: refuse them (550 5.6.11),
		 * since such octets are used to smuggle messages, or keep them as they are. Default: refuse.
		 * */
		bareNewlines?: 'refuse' | 'keep';
		/** What SMTP and LMTP greetings say behind the name; "ready" by itself. */
		banner?: string;
		/** SMTP extensions that work and that EHLO does not mention, for clients that stumble
		 * over one of them, separated by commas. */
		unannounced?: string | string[];
		/** What becomes of MAIL and RCPT with parameters that nobody knows: 555, or they are
		 * accepted, for programs whose own handlers read them. Default: refuse. */
		unknownParameters?: 'refuse' | 'accept';
		/** Serve clients of the smtp listener that talk before they were greeted; most that do
		 * are not mail servers. Default: no. */
		earlyTalkers?: boolean;
		/** After how many days fetched mail may be removed, as CAPA announces it (RFC 2449 6.7).
		 * Default: never. */
		expire?: number | 'never';
		/** Load balancers whose PROXY header (v1 or v2) is demanded and believed; with it the log
		 * and the limits see the real client. Repeatable. */
		proxyFrom?: string | string[];
		/** Mail servers that may say with XCLIENT whom they speak for. Repeatable. */
		xclientFrom?: string | string[];
		/** Mail servers that may say with XFORWARD where they had a message from; handlers see
		 * it, nothing is decided by it. Repeatable. */
		xforwardFrom?: string | string[];
		/** How much is logged; passwords never are. Default: info. */
		logLevel?: 'error' | 'warn' | 'info' | 'debug';
		/** How long running transactions may take to finish after SIGTERM. Default: 30s. */
		drainTimeout?: number | string;
		// end
	}

	// ---- What sessions of all protocols have ----

	/** A reply of a script's own, instead of what follows from accept and the like. */
	interface Reply {
		ok?: boolean;
		/** SMTP and LMTP: 200 to 299, 400 to 599. */
		code?: number;
		/** "5.7.1" */
		enhanced?: string;
		text?: string;
		pop3Code?: 'AUTH' | 'IN-USE' | 'LOGIN-DELAY' | 'SYS/TEMP' | 'SYS/PERM' | 'UTF8';
		/** The connection ends behind it. */
		close?: boolean;
		/** LMTP, onReceive: of this recipient, an address or a place in the list. */
		recipient?: string | number;
	}

	/** A session under TLS. */
	interface SessionTls {
		readonly version: string;
		readonly cipher: string;
		readonly bits: number;
		readonly serverName?: string;
		/** Of the client's certificate. */
		readonly peerSubject?: string;
		readonly peerName?: string;
	}

	/** A login. */
	interface SessionAuth {
		readonly mechanism?: string;
		/** What there is to judge: a password; for "secret" give session.secret. */
		readonly kind: 'password' | 'secret' | 'token' | 'external' | 'done';
		readonly username?: string;
		readonly authorizeAs?: string;
		readonly token?: string;
		/** onAuthDone: how it went. */
		readonly ok?: boolean;
	}

	/** What a login by APOP, CRAM-MD5 or SCRAM is compared with. */
	interface Secret {
		/** The password. */
		plain?: Octets | null;
		/** SCRAM, instead of the password. */
		salt?: Octets | null;
		iterations?: number;
		storedKey?: Octets | null;
		serverKey?: Octets | null;
	}

	/** What sessions of all protocols have. What a script adds stays until the session ends. */
	interface CommonSession {
		/** undefined in onDisconnect. */
		readonly id: number;
		/** The client's address. */
		readonly ip: string;
		/** The client's port. */
		readonly port: number;
		/** Where the client connected to. */
		readonly server: { readonly address: string; readonly port: number };
		/** As the client gave it; from onLogin on. */
		readonly username: string;
		/** As the client gave it; from onLogin on. */
		readonly password: string;
		/** Who is logged in. */
		readonly user: string | undefined;
		/** How. */
		readonly mechanism: string | undefined;
		/** The command's, in events of commands. */
		readonly argument: string;
		/** The command's. */
		readonly verb: string;
		/** onAuth, onLogin, onAuthDone. */
		readonly auth: SessionAuth | undefined;
		/** null: not under TLS. */
		readonly tls: SessionTls | null;
		/** onLogin, onAuth: true is a yes. */
		authenticated: boolean | undefined;
		/** Most events: true is a yes. */
		accept: boolean | undefined;
		/** onAuth: the password, or what is known of it. */
		secret: string | Secret | null | undefined;
		/** What the client is told. Whether it is a yes follows from the code. */
		reply(code: number, enhanced: string, text?: string): void;
		reply(code: number, text?: string): void;
		reply(reply: Reply): void;
		/** Leaves it to the server, as if there were no handler. */
		proceed(): void;
		/** Ends the connection behind the answer. */
		disconnect(): void;
		/** For console and JSON: no secrets and no message. */
		toJSON(): object;
		/** A script's own. */
		[own: string]: any;
	}

	// ---- POP3 ----

	/** Module infinity.pop3. */
	namespace pop3 {
		/** Messages and their octets. */
		type listArray = { msgNum: number; size: number }[];
		/** Messages and their unique ids. */
		type uidlArray = { msgNum: number; id: string }[];
		/** What a maildrop holds. */
		type itemArray = item[];

		/** A message of a maildrop, as a script lists it. */
		interface item {
			id: number;
			/** 1 to 70 printable characters. */
			uid: string;
			/** Octets. */
			size: number;
			/** Marked; in onDelete true says yes. */
			deleted?: boolean;
			/** onRetrieve, onTop: the whole message, or its first lines. */
			msg?: any;
			/** onTop: how many lines of the body are wanted. */
			lines?: number;
			/** A script's own. */
			[own: string]: any;
		}

		/** infinity.pop3.session. */
		interface Session extends CommonSession {
			readonly protocol: 'pop3';
			/** onRetrieve, onTop, onDelete, onList, onUidl. */
			readonly item: item;
			/** onLogin, onMaildrop: to be filled; onQuit, onDisconnect: marked or not. */
			items: itemArray;
			/** The same as item.msg. */
			msg: any;
			/** The same as item.lines. */
			readonly lines: number | undefined;
			readonly language: string | undefined;
			readonly utf8: boolean;
		}
		/** In handlers: the session of the event. */
		const session: Session;

		interface AuthModes {
			readonly userPass: 0;
			readonly apop: 1;
			/** The best of what the server offers, or `mechanism`. */
			readonly sasl: 2;
		}

		/** One message of client.messages(). */
		interface Message {
			readonly msgNum: number;
			readonly size: number;
			/** undefined: the server has no UIDL. */
			readonly id: string | undefined;
			retrieve(fileName?: string): string;
			retrieveAsync(fileName?: string): Promise<string>;
			retrieveBytes(fileName?: string): Uint8Array;
			retrieveBytesAsync(fileName?: string): Promise<Uint8Array>;
			retrieveStream(fileName?: string): stream;
			retrieveStreamAsync(fileName?: string): Promise<stream>;
			top(maxLines?: number, fileName?: string): string;
			top(fileName: string): string;
			topAsync(maxLines?: number, fileName?: string): Promise<string>;
			topAsync(fileName: string): Promise<string>;
			delete(): boolean;
			deleteAsync(): Promise<boolean>;
		}

		interface client extends Client {}
		/** A client of POP3. */
		class client {
			constructor();
			authMode: client.authMode;
			encryptMode: client.encryptMode;
			/** Octets a message may have at most: 1 GB. */
			maxMessage: number;
			/** Connects; TLS, and logs in. */
			connect(): void;
			connectAsync(): Promise<void>;
			/** How many messages there are. */
			count(): number;
			countAsync(): Promise<number>;
			/** Octets of a message, or of all. */
			size(msgNum?: number): number;
			sizeAsync(msgNum?: number): Promise<number>;
			list(msgNum?: number): listArray;
			listAsync(msgNum?: number): Promise<listArray>;
			uidl(msgNum?: number): uidlArray;
			uidlAsync(msgNum?: number): Promise<uidlArray>;
			/** A message; with a file's name it is written there, too. */
			retrieve(msgNum: number, fileName?: string): string;
			retrieveAsync(msgNum: number, fileName?: string): Promise<string>;
			retrieveBytes(msgNum: number, fileName?: string): Uint8Array;
			retrieveBytesAsync(msgNum: number, fileName?: string): Promise<Uint8Array>;
			retrieveStream(msgNum: number, fileName?: string): stream;
			retrieveStreamAsync(msgNum: number, fileName?: string): Promise<stream>;
			/** The header and the first lines of the body: 0. */
			top(msgNum: number, maxLines?: number, fileName?: string): string;
			top(msgNum: number, fileName: string): string;
			topAsync(msgNum: number, maxLines?: number, fileName?: string): Promise<string>;
			topAsync(msgNum: number, fileName: string): Promise<string>;
			/** Marks a message; disconnect() removes it. false: the server refuses. */
			delete(msgNum: number): boolean;
			deleteAsync(msgNum: number): Promise<boolean>;
			/** Takes all marks away. */
			reset(): void;
			resetAsync(): Promise<void>;
			/** Each message, for `for` and `for await`. */
			messages(): Iterable<Message> & AsyncIterable<Message>;
		}
		namespace client {
			const authMode: AuthModes;
			type authMode = 0 | 1 | 2;
			const encryptMode: EncryptModes;
			type encryptMode = 0 | 1 | 2;
			const protocol: TlsProtocols;
			type protocol = 2 | 3 | 4 | 5;
		}

		/** The handlers of a POP3 server. */
		interface Handlers {
			// made from src/script/hooks.def: P
			/** Who may connect; session.disconnect() or reply() refuses. */
			onConnect: Handler<Session>;
			/** Nothing: hears that the session is under TLS, session.tls says how. */
			onTls: Handler<Session>;
			/** Whether username and password are good: session.authenticated. */
			onLogin: Handler<Session>;
			/** Every kind of login, before onLogin: session.auth {mechanism, kind, username, token};
			 * give session.secret for APOP, CRAM-MD5 and SCRAM, or session.authenticated. */
			onAuth: Handler<Session>;
			/** Whether, and after what delay, the outcome of a login is told: session.auth.ok. */
			onAuthDone: Handler<Session>;
			/** The messages after a login that onLogin did not list: items. */
			onMaildrop: Handler<Session>;
			/** Nothing more than whether it is allowed. */
			onStat: Handler<Session>;
			/** The same; session.item for one message. */
			onList: Handler<Session>;
			/** The same; session.item for one message. */
			onUidl: Handler<Session>;
			/** The message: session.item.msg. */
			onRetrieve: Handler<Session>;
			/** Header and first lines: session.item.msg, item.lines; default: onRetrieve, cut. */
			onTop: Handler<Session>;
			/** Whether a message may be marked: session.item.deleted. */
			onDelete: Handler<Session>;
			/** Nothing more than whether it is allowed. */
			onReset: Handler<Session>;
			/** The same. */
			onNoop: Handler<Session>;
			/** The same. */
			onCapa: Handler<Session>;
			/** Whether a language may be chosen: session.argument. */
			onLang: Handler<Session>;
			/** Whether UTF8 may be switched on. */
			onUtf8: Handler<Session>;
			/** POP3: remove the items that are marked deleted; a throw keeps all. */
			onQuit: Handler<Session>;
			/** Unknown verbs: session.argument is the whole line, reply(). */
			onCommand: Handler<Session>;
			/** Nothing: the session is over. */
			onDisconnect: Handler<Session>;
			// end
		}
		interface ServerOptions extends CommonServerOptions, Partial<Handlers> {
			/** 110, or 995 with implicitTls; 0: any that is free. */
			port?: number;
		}
		interface server extends Server, Handlers {}
		/** A server of POP3. */
		class server {
			constructor(ssl?: boolean, verifyCertificate?: boolean, port?: number,
				maxConnections?: number, poolSize?: number, minProtocol?: server.protocol,
				maxProtocol?: server.protocol);
			constructor(options: ServerOptions);
			/** While it runs, the one it has got. */
			readonly port: number;
		}
		namespace server {
			const protocol: TlsProtocols;
			type protocol = 2 | 3 | 4 | 5;
		}
	}

	// ---- SMTP ----

	/** A recipient of an envelope. */
	interface EnvelopeRecipient {
		readonly address: string;
		/** RFC 3461. */
		readonly orcpt: string | undefined;
		readonly notify: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];
	}

	/** What a client said of a message. */
	interface Envelope {
		readonly sender: string;
		readonly recipients: readonly EnvelopeRecipient[];
		/** SIZE= */
		readonly size: number;
		readonly eightBit: boolean;
		readonly binary: boolean;
		readonly smtputf8: boolean;
		readonly requireTls: boolean;
		/** RFC 3461. */
		readonly dsn: { readonly ret: string | undefined; readonly envid: string | undefined };
		/** AUTH= */
		readonly auth: string | undefined;
	}

	/** Sessions of SMTP and LMTP. */
	interface MailSession extends CommonSession {
		/** onMailFrom: the sender; onRcptTo: the recipient. */
		readonly address: string;
		/** The name the client gives itself. */
		readonly helo: string | undefined;
		/** It said EHLO or LHLO. */
		readonly esmtp: boolean;
		/** From onMailFrom on. */
		readonly envelope: Envelope;
		/** onReceive: octets. */
		readonly size: number;
		/** onReceive: the message. */
		readonly msg: string;
		readonly msgBytes: Uint8Array;
		readonly stream: stream;
		/** onReceive: true is a yes; LMTP: an array has an answer for each recipient. */
		received: boolean | (boolean | Reply)[] | undefined;
		/** The same as received. */
		receive: boolean | (boolean | Reply)[] | undefined;
	}

	/** Module infinity.smtp. */
	namespace smtp {
		/** infinity.smtp.session. */
		interface Session extends MailSession {
			readonly protocol: 'smtp';
		}
		/** In handlers: the session of the event. */
		const session: Session;

		interface client extends Mailer {}
		/** A client of SMTP. */
		class client {
			constructor();
		}
		namespace client {
			const authMode: MailerAuthModes;
			type authMode = 0 | 1 | 2;
			const encryptMode: EncryptModes;
			type encryptMode = 0 | 1 | 2;
			const protocol: TlsProtocols;
			type protocol = 2 | 3 | 4 | 5;
		}

		/** The handlers of an SMTP server. */
		interface Handlers {
			// made from src/script/hooks.def: S
			/** Who may connect; session.disconnect() or reply() refuses. */
			onConnect: Handler<Session>;
			/** Nothing: hears that the session is under TLS, session.tls says how. */
			onTls: Handler<Session>;
			/** Whether the name a client gives itself will do: session.helo. */
			onHelo: Handler<Session>;
			/** Whether username and password are good: session.authenticated. */
			onLogin: Handler<Session>;
			/** Every kind of login, before onLogin: session.auth {mechanism, kind, username, token};
			 * give session.secret for APOP, CRAM-MD5 and SCRAM, or session.authenticated. */
			onAuth: Handler<Session>;
			/** Whether, and after what delay, the outcome of a login is told: session.auth.ok. */
			onAuthDone: Handler<Session>;
			/** Nothing more than whether it is allowed. */
			onReset: Handler<Session>;
			/** The same. */
			onNoop: Handler<Session>;
			/** POP3: remove the items that are marked deleted; a throw keeps all. */
			onQuit: Handler<Session>;
			/** Whether the sender will do: session.address, session.accept. */
			onMailFrom: Handler<Session>;
			/** Whether a recipient will do: session.address, session.accept. */
			onRcptTo: Handler<Session>;
			/** Whether a message may come now: session.envelope. */
			onData: Handler<Session>;
			/** Whether a message is taken: session.msg, msgBytes, stream; session.received. */
			onReceive: Handler<Session>;
			/** Nothing: hears that a transaction ended without a message. */
			onAbort: Handler<Session>;
			/** What VRFY says: session.argument, reply(). */
			onVrfy: Handler<Session>;
			/** What EXPN says: session.argument, reply(). */
			onExpn: Handler<Session>;
			/** What HELP says: session.argument, reply(). */
			onHelp: Handler<Session>;
			/** Unknown verbs: session.argument is the whole line, reply(). */
			onCommand: Handler<Session>;
			/** Nothing: the session is over. */
			onDisconnect: Handler<Session>;
			// end
		}
		interface ServerOptions extends CommonServerOptions, Partial<Handlers> {
			/** 25, or 465 with implicitTls; 0: any that is free. */
			port?: number;
		}
		interface server extends Server, Handlers {}
		/** A server of SMTP. */
		class server {
			constructor(ssl?: boolean, verifyCertificate?: boolean, port?: number,
				maxConnections?: number, poolSize?: number, minProtocol?: server.protocol,
				maxProtocol?: server.protocol);
			constructor(options: ServerOptions);
			/** While it runs, the one it has got. */
			readonly port: number;
		}
		namespace server {
			const protocol: TlsProtocols;
			type protocol = 2 | 3 | 4 | 5;
		}
	}

	// ---- LMTP ----

	/** Module infinity.lmtp. */
	namespace lmtp {
		/** infinity.lmtp.session. */
		interface Session extends MailSession {
			readonly protocol: 'lmtp';
		}
		/** In handlers: the session of the event. */
		const session: Session;

		interface client extends Mailer {}
		/** A client of LMTP. Its host may be the path of a socket. */
		class client {
			constructor();
		}
		namespace client {
			const authMode: MailerAuthModes;
			type authMode = 0 | 1 | 2;
			const encryptMode: EncryptModes;
			type encryptMode = 0 | 1 | 2;
			const protocol: TlsProtocols;
			type protocol = 2 | 3 | 4 | 5;
		}

		/** The handlers of an LMTP server. */
		interface Handlers {
			// made from src/script/hooks.def: L
			/** Who may connect; session.disconnect() or reply() refuses. */
			onConnect: Handler<Session>;
			/** Nothing: hears that the session is under TLS, session.tls says how. */
			onTls: Handler<Session>;
			/** Whether the name a client gives itself will do: session.helo. */
			onHelo: Handler<Session>;
			/** Whether username and password are good: session.authenticated. */
			onLogin: Handler<Session>;
			/** Every kind of login, before onLogin: session.auth {mechanism, kind, username, token};
			 * give session.secret for APOP, CRAM-MD5 and SCRAM, or session.authenticated. */
			onAuth: Handler<Session>;
			/** Whether, and after what delay, the outcome of a login is told: session.auth.ok. */
			onAuthDone: Handler<Session>;
			/** Nothing more than whether it is allowed. */
			onReset: Handler<Session>;
			/** The same. */
			onNoop: Handler<Session>;
			/** POP3: remove the items that are marked deleted; a throw keeps all. */
			onQuit: Handler<Session>;
			/** Whether the sender will do: session.address, session.accept. */
			onMailFrom: Handler<Session>;
			/** Whether a recipient will do: session.address, session.accept. */
			onRcptTo: Handler<Session>;
			/** Whether a message may come now: session.envelope. */
			onData: Handler<Session>;
			/** Whether a message is taken: session.msg, msgBytes, stream; session.received. */
			onReceive: Handler<Session>;
			/** Nothing: hears that a transaction ended without a message. */
			onAbort: Handler<Session>;
			/** What VRFY says: session.argument, reply(). */
			onVrfy: Handler<Session>;
			/** What EXPN says: session.argument, reply(). */
			onExpn: Handler<Session>;
			/** What HELP says: session.argument, reply(). */
			onHelp: Handler<Session>;
			/** Unknown verbs: session.argument is the whole line, reply(). */
			onCommand: Handler<Session>;
			/** Nothing: the session is over. */
			onDisconnect: Handler<Session>;
			// end
		}
		interface ServerOptions extends CommonServerOptions, Partial<Handlers> {
			/** 24; 0: any that is free; a text: the path of a socket. */
			port?: number | string;
		}
		interface server extends Server, Handlers {}
		/** A server of LMTP. */
		class server {
			constructor(ssl?: boolean, verifyCertificate?: boolean, port?: number | string,
				maxConnections?: number, poolSize?: number, minProtocol?: server.protocol,
				maxProtocol?: server.protocol);
			constructor(options: ServerOptions);
			/** While it runs, the one it has got. */
			readonly port: number | string;
		}
		namespace server {
			const protocol: TlsProtocols;
			type protocol = 2 | 3 | 4 | 5;
		}
	}

	// ---- Mail ----

	/** Module infinity.mail: a message, read and written. One that was loaded gives its very octets
	 * back until something is changed. */
	class mail {
		/** parseAttachment: attachments are stored in files, see storedFilePath. */
		constructor(parseAttachment?: boolean);
		/** The addresses in a text such as "Anna <anna@example.org>, bob@example.org". */
		static parseAddresses(text: string): mail.address[];

		attachments: mail.attachment[];
		get bcc(): string[];
		set bcc(value: (string | mail.addressLike)[]);
		boundary: string;
		get cc(): string[];
		set cc(value: (string | mail.addressLike)[]);
		charset: string;
		contentTransferEncoding: mail.transferEncoding;
		contentType: string;
		contents: mail.content[];
		/** Milliseconds since 1970; infinity.nullTimestamp: none. */
		get date(): number;
		set date(value: number | Date);
		/** Disposition-Notification-To. */
		get deliveryNotification(): string;
		set deliveryNotification(value: string | mail.addressLike);
		/** X-Envelope-To. */
		get envelopeTo(): string;
		set envelopeTo(value: string | mail.addressLike);
		extendedHeaders: { name: string; value: string }[];
		get from(): string;
		set from(value: string | mail.addressLike);
		organization: string;
		/** X-Priority. */
		priority: mail.priority;
		/** To. */
		get recipients(): string[];
		set recipients(value: (string | mail.addressLike)[]);
		references: string[];
		get replyTo(): string;
		set replyTo(value: string | mail.addressLike);
		get returnPath(): string;
		set returnPath(value: string | mail.addressLike);
		sender: string;
		subject: string;
		/** X-Mailer. */
		userAgent: string;
		/** All fields of the header. */
		readonly headers: mail.headers;
		readonly inReplyTo: string;
		readonly messageId: string;
		readonly multipartType: mail.multipartType;
		/** Addresses of servers that passed the message on. */
		readonly receivedFrom: string[];
		/** Octets. */
		readonly size: number;

		/** Adds a file, or octets, as an attachment; returns it. */
		attach(what: string | mail.attachable): mail.attachment;
		clear(): void;
		free(): void;
		/** HTML where there is some, else text. replaceCID: pictures become data: URLs. */
		getBestContent(replaceCID?: boolean): string;
		getHtmlContent(replaceCID?: boolean): string;
		getTextContent(): string;
		/** File names are relative to the data folder. */
		loadFromFile(fileName: string): void;
		loadFromStream(stream: stream): void;
		loadFromString(text: string): void;
		loadFromBytes(bytes: Uint8Array | ArrayBuffer): void;
		saveToFile(fileName: string): void;
		saveToStream(stream: stream): void;
		toBytes(): Uint8Array;
		toStream(): stream;
		toString(): string;
	}
	namespace mail {
		const multipartType: { readonly none: 0; readonly alternative: 1; readonly other: 2 };
		type multipartType = 0 | 1 | 2;
		const priority: {
			readonly lowest: 0;
			readonly lower: 1;
			readonly normal: 2;
			readonly higher: 3;
			readonly highest: 4;
		};
		type priority = 0 | 1 | 2 | 3 | 4;
		const transferEncoding: {
			readonly bit7: 0;
			readonly bit8: 1;
			readonly binary: 2;
			readonly quotedPrintable: 3;
			readonly base64: 4;
		};
		type transferEncoding = 0 | 1 | 2 | 3 | 4;

		interface addressLike {
			name?: string;
			address: string;
		}
		interface address {
			name: string;
			address: string;
			toString(): string;
		}
		interface headers {
			/** The first of this name, decoded. */
			get(name: string): string | null;
			getAll(name: string): string[];
			has(name: string): boolean;
			/** In their order. */
			names(): string[];
		}
		/** A text of the message; with items a multipart. */
		interface content {
			contentType?: string;
			contentTransferEncoding?: transferEncoding;
			charset?: string;
			text?: string;
			items?: content[];
		}
		interface attachment {
			name?: string;
			/** Octets. */
			size?: number;
			contentType?: string;
			contentTransferEncoding?: transferEncoding;
			contentId?: string;
			contentDisposition?: string;
			/** The file it is stored in, or comes from. */
			storedFilePath?: string;
			/** Its octets, where scripts give them. */
			content?: Octets | stream;
			toBytes?(): Uint8Array;
			toStream?(): stream;
			saveToFile?(fileName: string): void;
		}
		interface attachable {
			/** A file's name, or content. */
			file?: string;
			content?: Octets | stream;
			name?: string;
			contentType?: string;
			contentTransferEncoding?: transferEncoding;
			contentId?: string;
			contentDisposition?: string;
			storedFilePath?: string;
			/** To be shown in the text, by contentId. */
			inline?: boolean;
		}
	}

	// ---- Streams and files ----

	/** Added up. */
	const fileMode: {
		/** Makes or empties the file; read and write. */
		readonly create: 65280;
		readonly read: 0;
		readonly write: 1;
		readonly readWrite: 2;
		/** With create: only a new file. */
		readonly exclusive: 4;
		readonly shareExclusive: 16;
		readonly shareDenyWrite: 32;
		readonly shareDenyNone: 64;
	};
	type fileMode = number;

	/** Octets with a position, in memory or in a file. */
	class stream {
		/** In memory; large ones in a temporary file. */
		constructor();
		/** A file, relative to the data folder. autoDelete: free() removes it. */
		constructor(fileName: string, mode?: fileMode, autoDelete?: boolean);
		/** In memory, at position 0. */
		static from(value: Octets | stream): stream;
		readonly fileName: string;
		position: number;
		size: number;
		/** All of another stream, or `count` octets from its position; returns how many. */
		copyFrom(stream: stream, count?: number): number;
		free(): void;
		/** A value that write() wrote. */
		read(): any;
		write(value: any): void;
		readBoolean(): boolean;
		writeBoolean(value: boolean): void;
		readNumber(): number;
		writeNumber(value: number): void;
		readBytes(count?: number): Uint8Array;
		writeBytes(bytes: Uint8Array | ArrayBuffer): void;
		readString(encoding?: encoding, fromBeginning?: boolean, count?: number): string;
		writeString(value: string, encoding?: encoding, append?: boolean): void;
		/** Without its end; null at the end of the stream. */
		readLine(): string | null;
		lines(): Generator<string, void, unknown>;
		/** All of it, wherever the position is. */
		toBytes(): Uint8Array;
		toString(): string;
		saveToFile(name: string, append?: boolean): void;
		[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, unknown>;
	}

	/** infinity.encoding's numbers, or the name of a charset. */
	type encoding = 0 | 1 | 2 | 3 | 4 | 5 | 6 | string;
	namespace encoding {
		const systemDefault: 0;
		const ansi: 1;
		const ascii: 2;
		const bigEndianUnicode: 3;
		const unicode: 4;
		const utf7: 5;
		const utf8: 6;
		function toString(bytes: Octets, encoding?: encoding): string;
		function toBytes(text: string, encoding?: encoding): Uint8Array;
		/** From one encoding to another. */
		function convert(value: string, from: encoding, to: encoding): string;
		function convert(value: Uint8Array | ArrayBuffer, from: encoding, to: encoding): Uint8Array;
	}

	/** Files. Names are relative to the data folder. */
	namespace file {
		function exists(name: string): boolean;
		/** Octets. */
		function size(name: string): number;
		/** When it was changed last. */
		function age(name: string): Date;
		function read(name: string): Uint8Array;
		function readString(name: string, encoding?: encoding): string;
		/** At once: nobody sees half of it. */
		function write(name: string, data: Octets | stream, append?: boolean): void;
		/** bom: with a byte order mark. */
		function writeString(name: string, text: string, encoding?: encoding, append?: boolean,
			bom?: boolean): void;
		function copy(from: string, to: string, overwrite?: boolean): void;
		function move(from: string, to: string, overwrite?: boolean): void;
		/** Whether it was there. */
		function remove(name: string): boolean;
	}

	/** Folders. Names are relative to the data folder. */
	namespace directory {
		/** Added up. */
		const filter: {
			readonly none: 0;
			readonly files: 1;
			readonly directories: 2;
			readonly hidden: 4;
			readonly system: 8;
			readonly readOnly: 16;
			readonly symLink: 32;
		};
		type filter = number;
		/** With those above it; false: it is there already. */
		function create(name: string): boolean;
		function exists(name: string): boolean;
		/** Names, sorted. mask: "*.eml;*.txt" */
		function list(name: string, mask?: string, wanted?: filter): string[];
		function move(from: string, to: string): void;
		/** Whether it was there. */
		function remove(name: string, recursive?: boolean): boolean;
	}

	/** Names of files, as text. */
	namespace fileName {
		/** Good for any system, without a folder. */
		function isValid(name: string): boolean;
		/** A valid name of any text. */
		function correct(name: string, replacement?: string): string;
		/** What is behind the last slash. */
		function extract(path: string): string;
		/** What is in front of it. */
		function extractDirectory(path: string): string;
		/** ".eml" */
		function extension(path: string): string;
		/** Absolute. */
		function expand(path: string): string;
		/** In double quotes. */
		function quote(name: string): string;
	}

	// ---- Memory, crypto, stores ----

	/** Named values that all scripts and workers share; copies go in and out. */
	namespace memory {
		/** expiryMs: milliseconds it stays; 0: until it is removed. */
		function put(name: string, value: any, expiryMs?: number): void;
		function putBoolean(name: string, value: boolean, expiryMs?: number): void;
		function putNumber(name: string, value: number, expiryMs?: number): void;
		function putString(name: string, value: string, expiryMs?: number): void;
		function putList(name: string, value: any[], expiryMs?: number): void;
		function get(name: string, whenAbsent?: any): any;
		function getBoolean<D = undefined>(name: string, whenAbsent?: D): boolean | D;
		function getNumber<D = undefined>(name: string, whenAbsent?: D): number | D;
		function getString<D = undefined>(name: string, whenAbsent?: D): string | D;
		function getList<D = undefined>(name: string, whenAbsent?: D): any[] | D;
		/** Only where there is none; whether. */
		function add(name: string, value: any, expiryMs?: number): boolean;
		/** At once, from 0; the new number. */
		function increment(name: string, by?: number): number;
		function decrement(name: string, by?: number): number;
		function exists(name: string): boolean;
		/** Whether it was there. */
		function remove(name: string): boolean;
		function clear(): void;
		function getCount(): number;
		/** Sorted. */
		function names(prefix?: string): string[];
		/** Milliseconds that are left; 0: it stays; undefined: it is not there. */
		function expiry(name: string): number | undefined;
		/** Whether it is there. */
		function setExpiry(name: string, expiryMs: number): boolean;
		/** Waits for a lock; false: the time is over. */
		function lock(name: string, timeoutMs?: number): boolean;
		/** Whether it was this script's. */
		function unlock(name: string): boolean;
	}

	/** Digests, random values, passwords. */
	namespace crypto {
		type encoding = 'hex' | 'base64' | 'base64url';
		interface HashSettings {
			method?: 'yescrypt' | 'gost-yescrypt' | 'scrypt' | 'bcrypt' | 'sha512crypt' | 'sha256crypt';
			/** 0: the method's own. */
			cost?: number;
		}
		/** sha256, sha384, sha512, sha1, md5 and what else OpenSSL has; in hex. */
		function hash(algorithm: string, data: Octets, encoding?: encoding): string;
		function hash(algorithm: string, data: Octets, encoding: 'bytes'): Uint8Array;
		function hmac(algorithm: string, key: Octets, data: Octets, encoding?: encoding): string;
		function hmac(algorithm: string, key: Octets, data: Octets, encoding: 'bytes'): Uint8Array;
		function randomBytes(count: number): Uint8Array;
		function randomUUID(): string;
		/** From 0, or min, to below max. */
		function randomInt(max: number): number;
		function randomInt(min: number, max: number): number;
		function timingSafeEqual(a: Octets, b: Octets): boolean;
		/** As crypt(3) writes it. */
		function hashPassword(password: Octets, settings?: HashSettings): string;
		function hashPasswordAsync(password: Octets, settings?: HashSettings): Promise<string>;
		/** Without a hash false, after the usual time. */
		function verifyPassword(password: Octets, known: string | null | undefined): boolean;
		function verifyPasswordAsync(password: Octets, known: string | null | undefined):
			Promise<boolean>;
	}

	/** Stores of messages. */
	namespace store {
		type Tag = 'unread' | 'archive' | 'staged' | 'dup' | 'pop3failed' | 'conversionerror';
		const tag: {
			readonly unread: 'unread';
			readonly archive: 'archive';
			readonly staged: 'staged';
			readonly dup: 'dup';
			readonly pop3failed: 'pop3failed';
			readonly conversionError: 'conversionerror';
		};
		/** A message in a store. */
		interface Item {
			name: string;
			sourceid: string;
			guid: string;
			/** Octets. */
			size: number;
			/** Milliseconds since 1970. */
			timestamp: number;
			metadata: string;
			tag: Tag;
		}
		/** An item, one of items(), its name or its id. */
		type ItemLike = string | number | { name: string } | { id: number; uid?: string };
		interface Settings {
			/** Whose maildrop. */
			mailbox?: string;
			/** Of query(). */
			limit?: number | string;
			/** Of the kind of store. */
			[setting: string]: string | number | boolean | undefined;
		}
		interface Message {
			message: Octets | stream;
			sourceid?: string;
			guid?: string;
			metadata?: string;
			tag?: Tag;
			timestamp?: number | Date;
		}
		interface Store {
			readonly url: string;
			readonly mailbox: string | undefined;
			readonly caps: { remembers: boolean; durable: boolean };
			query(query?: { tags?: Tag | Tag[] | 'all'; limit?: number }): Item[];
			/** For session.items of a POP3 server. */
			items(user?: string): { id: number; uid: string; size: number; deleted: boolean }[];
			read(item: ItemLike): string;
			readBytes(item: ItemLike): Uint8Array;
			readStream(item: ItemLike): stream;
			/** Reads, and marks as archive when `use` is done without an error. */
			consume(item: ItemLike): string;
			consume<R>(item: ItemLike, use: (message: string, item: any) => R): R;
			consumeBytes(item: ItemLike): Uint8Array;
			consumeBytes<R>(item: ItemLike, use: (message: Uint8Array, item: any) => R): R;
			consumeStream(item: ItemLike): stream;
			consumeStream<R>(item: ItemLike, use: (message: stream, item: any) => R): R;
			mark(item: ItemLike, tagName: Tag): void;
			/** Whether this was given before. */
			has(sourceid: string, guid: string): boolean;
			/** Returns when the message is safe: its name. */
			add(message: Message): string;
			flush(): void;
			close(): void;
			/** The same as close(). */
			free(): void;
		}
		/** "sqlite:mail.db", "maildir:folder", "memory:" and the like. */
		function open(url: string, settings?: Settings): Store;
		/** What is wrong with a store, a line each. */
		function check(url: string, settings?: Settings): string[];
	}
}

// ---- Scripts as modules ----

/** A CommonJS module, by a file's name relative to the script, or a package's in node_modules; one of
 * Node.js's that are here ("events", "stream" …, docs/scripting.md), or "lettermill". */
declare function require(id: string): any;
declare namespace require {
	/** The file's name. */
	function resolve(id: string): string;
	namespace resolve {
		function paths(id: string): string[];
	}
	let cache: { [fileName: string]: infinity.Module };
	let main: infinity.Module;
}
declare namespace infinity {
	interface Module {
		id: string;
		filename: string;
		path: string;
		exports: any;
		loaded: boolean;
		children: Module[];
		paths: string[];
		readonly parent: Module | undefined;
		readonly require: (id: string) => any;
	}
}
/** The main script and required ones have these. */
declare var module: infinity.Module;
declare var exports: any;
declare var __filename: string;
declare var __dirname: string;

// ---- Console ----

declare namespace console {
	/** Several values, with spaces between; objects as JSON. */
	function log(...values: any[]): void;
	function debug(...values: any[]): void;
	function info(...values: any[]): void;
	function warn(...values: any[]): void;
	function error(...values: any[]): void;
	function dir(value: any): void;
	/** With the stack. */
	function trace(...values: any[]): void;
	/** To standard output as it is. */
	function write(output: any): void;
	function writeLn(output?: any): void;
	/** A line from standard input; null at its end. */
	function readLn(): any;
	/** Throws where the condition does not hold. */
	function assert(condition: any, ...message: any[]): asserts condition;
	/** How often it was called with this name. */
	function count(name?: string, disableOutput?: boolean): number;
	function countReset(name?: string): void;
	function time(name?: string): void;
	/** Nanoseconds. */
	function timeSince(name?: string, disableOutput?: boolean): number;
	/** Nanoseconds. */
	function timeEnd(name?: string, disableOutput?: boolean): number;
	function table(data: any, columns?: any[]): void;
}

// ---- Globals as elsewhere ----

declare namespace infinity {
	/** What setTimeout and setInterval give. */
	interface Timeout {
		/** The program lives until it is due. */
		ref(): this;
		unref(): this;
		hasRef(): boolean;
		close(): this;
		[Symbol.toPrimitive](): number;
	}
	interface Immediate {
		ref(): this;
		unref(): this;
		hasRef(): boolean;
	}
}
declare function setTimeout<A extends any[]>(callback: (...args: A) => void, delay?: number,
	...args: A): infinity.Timeout;
declare function setInterval<A extends any[]>(callback: (...args: A) => void, delay?: number,
	...args: A): infinity.Timeout;
declare function setImmediate<A extends any[]>(callback: (...args: A) => void, ...args: A):
	infinity.Immediate;
declare function clearTimeout(timer?: infinity.Timeout | number | string | null): void;
declare function clearInterval(timer?: infinity.Timeout | number | string | null): void;
declare function clearImmediate(immediate?: infinity.Immediate | null): void;
declare function queueMicrotask(callback: () => void): void;
declare namespace performance {
	const timeOrigin: number;
	/** Milliseconds since the script began. */
	function now(): number;
	function toJSON(): { timeOrigin: number };
}
declare function structuredClone<T>(value: T, options?: { transfer?: ArrayBuffer[] }): T;
declare function atob(data: string): string;
declare function btoa(data: string): string;

declare class TextEncoder {
	constructor();
	readonly encoding: string;
	encode(input?: string): Uint8Array;
	encodeInto(source: string, destination: Uint8Array): { read: number; written: number };
}
declare class TextDecoder {
	constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
	readonly encoding: string;
	readonly fatal: boolean;
	readonly ignoreBOM: boolean;
	decode(input?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}

declare class DOMException extends Error {
	constructor(message?: string, options?: string | { name?: string; cause?: unknown });
	readonly name: string;
	readonly code: number;
}
declare namespace infinity {
	interface EventInit {
		bubbles?: boolean;
		cancelable?: boolean;
		composed?: boolean;
	}
	type EventListener = ((event: any) => void) | { handleEvent(event: any): void };
	interface ListenerOptions {
		once?: boolean;
		capture?: boolean;
		passive?: boolean;
		signal?: AbortSignal;
	}
}
declare class Event {
	static NONE: number;
	static CAPTURING_PHASE: number;
	static AT_TARGET: number;
	static BUBBLING_PHASE: number;
	constructor(type: string, options?: infinity.EventInit);
	readonly type: string;
	readonly target: EventTarget | null;
	readonly srcElement: EventTarget | null;
	readonly currentTarget: EventTarget | null;
	readonly eventPhase: number;
	readonly bubbles: boolean;
	readonly cancelable: boolean;
	readonly composed: boolean;
	readonly defaultPrevented: boolean;
	readonly isTrusted: boolean;
	readonly timeStamp: number;
	composedPath(): EventTarget[];
	preventDefault(): void;
	stopPropagation(): void;
	stopImmediatePropagation(): void;
}
declare class CustomEvent extends Event {
	constructor(type: string, options?: infinity.EventInit & { detail?: any });
	readonly detail: any;
}
declare class EventTarget {
	constructor();
	addEventListener(type: string, callback: infinity.EventListener | null,
		options?: boolean | infinity.ListenerOptions): void;
	removeEventListener(type: string, callback: infinity.EventListener | null,
		options?: boolean | { capture?: boolean }): void;
	dispatchEvent(event: Event): boolean;
}
declare class AbortSignal extends EventTarget {
	private constructor();
	static abort(reason?: any): AbortSignal;
	/** Milliseconds. */
	static timeout(ms: number): AbortSignal;
	static any(signals: Iterable<AbortSignal>): AbortSignal;
	readonly aborted: boolean;
	readonly reason: any;
	onabort: ((event: Event) => void) | null;
	throwIfAborted(): void;
}
declare class AbortController {
	constructor();
	readonly signal: AbortSignal;
	abort(reason?: any): void;
}

declare class URL {
	constructor(url: string | URL, base?: string | URL);
	static canParse(url: string | URL, base?: string | URL): boolean;
	static parse(url: string | URL, base?: string | URL): URL | null;
	href: string;
	readonly origin: string;
	protocol: string;
	username: string;
	password: string;
	host: string;
	hostname: string;
	port: string;
	pathname: string;
	search: string;
	readonly searchParams: URLSearchParams;
	hash: string;
	toString(): string;
	toJSON(): string;
}
declare class URLSearchParams {
	constructor(init?: string | URLSearchParams | Iterable<[string, string]>
		| Record<string, string>);
	readonly size: number;
	append(name: string, value: string): void;
	delete(name: string, value?: string): void;
	get(name: string): string | null;
	getAll(name: string): string[];
	has(name: string, value?: string): boolean;
	set(name: string, value: string): void;
	sort(): void;
	forEach(callback: (value: string, name: string, all: URLSearchParams) => void,
		self?: any): void;
	entries(): IterableIterator<[string, string]>;
	keys(): IterableIterator<string>;
	values(): IterableIterator<string>;
	toString(): string;
	[Symbol.iterator](): IterableIterator<[string, string]>;
}

declare namespace infinity {
	type HeadersInit = Headers | Iterable<[string, string]> | Record<string, string>;
	type BodyInit = Octets | URLSearchParams | stream | null;
	interface RequestInit {
		method?: string;
		headers?: HeadersInit;
		body?: BodyInit;
		redirect?: 'follow' | 'error' | 'manual';
		signal?: AbortSignal | null;
		/** Milliseconds for all; 0: any time. */
		timeout?: number;
		/** Octets the answer may have: 64 MB. */
		maxBytes?: number;
		/** Any certificate will do: false. */
		insecure?: boolean;
		/** Who signs servers' certificates, PEM. */
		caFile?: string;
	}
	interface ResponseInit {
		status?: number;
		statusText?: string;
		headers?: HeadersInit;
	}
	/** A body; it can be used once. */
	interface Body {
		/** The octets as they come. */
		readonly body: (AsyncIterable<Uint8Array> & {
			stream(): Promise<stream>;
			cancel(): Promise<void>;
		}) | null;
		readonly bodyUsed: boolean;
		text(): Promise<string>;
		bytes(): Promise<Uint8Array>;
		json(): Promise<any>;
		arrayBuffer(): Promise<ArrayBuffer>;
		stream(): Promise<stream>;
	}
}
declare class Headers {
	constructor(init?: infinity.HeadersInit);
	append(name: string, value: string): void;
	set(name: string, value: string): void;
	delete(name: string): void;
	get(name: string): string | null;
	has(name: string): boolean;
	getSetCookie(): string[];
	forEach(callback: (value: string, name: string, all: Headers) => void, self?: any): void;
	entries(): IterableIterator<[string, string]>;
	keys(): IterableIterator<string>;
	values(): IterableIterator<string>;
	[Symbol.iterator](): IterableIterator<[string, string]>;
}
interface Request extends infinity.Body {}
declare class Request {
	constructor(input: string | URL | Request, init?: infinity.RequestInit);
	readonly url: string;
	readonly method: string;
	readonly headers: Headers;
	readonly redirect: 'follow' | 'error' | 'manual';
	readonly signal: AbortSignal | undefined;
	clone(): Request;
}
interface Response extends infinity.Body {}
declare class Response {
	constructor(body?: infinity.BodyInit, init?: infinity.ResponseInit);
	static json(data: any, init?: infinity.ResponseInit): Response;
	static error(): Response;
	static redirect(url: string | URL, status?: number): Response;
	readonly ok: boolean;
	readonly status: number;
	readonly statusText: string;
	readonly headers: Headers;
	readonly url: string;
	readonly redirected: boolean;
	readonly type: string;
	clone(): Response;
}
declare function fetch(input: string | URL | Request, init?: infinity.RequestInit):
	Promise<Response>;

// ---- Globals of Node.js; its modules come with require ----

/** "utf8", "hex", "base64", "base64url", "latin1", "ascii", "utf16le" and other names of these. */
type BufferEncoding = string;
/** Octets: a Uint8Array with Node's ways of reading and writing it. */
declare class Buffer extends Uint8Array {
	constructor(value: string, encoding?: BufferEncoding);
	constructor(size: number);
	constructor(value: ArrayBufferLike, byteOffset?: number, length?: number);
	constructor(value: ArrayLike<number>);
	static poolSize: number;
	static from(value: string, encoding?: BufferEncoding): Buffer;
	static from(value: ArrayBufferLike, byteOffset?: number, length?: number): Buffer;
	static from(value: ArrayLike<number> | Iterable<number> | { valueOf(): string | object }): Buffer;
	static of(...octets: number[]): Buffer;
	static alloc(size: number, fill?: string | number | Uint8Array, encoding?: BufferEncoding): Buffer;
	static allocUnsafe(size: number): Buffer;
	static allocUnsafeSlow(size: number): Buffer;
	static concat(list: readonly Uint8Array[], totalLength?: number): Buffer;
	static isBuffer(value: unknown): value is Buffer;
	static isEncoding(encoding: unknown): boolean;
	static byteLength(value: string | ArrayBufferView | ArrayBufferLike,
		encoding?: BufferEncoding): number;
	static compare(buf1: Uint8Array, buf2: Uint8Array): number;
	readonly parent: ArrayBufferLike;
	readonly offset: number;
	toString(encoding?: BufferEncoding, start?: number, end?: number): string;
	toLocaleString(encoding?: any, start?: any, end?: number): string;
	toJSON(): { type: "Buffer", data: number[] };
	equals(other: Uint8Array): boolean;
	compare(target: Uint8Array, targetStart?: number, targetEnd?: number, sourceStart?: number,
		sourceEnd?: number): number;
	/** The same memory, as subarray. */
	slice(start?: number, end?: number): Buffer;
	subarray(start?: number, end?: number): Buffer;
	indexOf(value: string | number | Uint8Array, from?: number | BufferEncoding,
		encoding?: BufferEncoding): number;
	lastIndexOf(value: string | number | Uint8Array, from?: number | BufferEncoding,
		encoding?: BufferEncoding): number;
	includes(value: string | number | Uint8Array, from?: number | BufferEncoding,
		encoding?: BufferEncoding): boolean;
	write(text: string, encoding?: BufferEncoding): number;
	write(text: string, offset: number, encoding?: BufferEncoding): number;
	write(text: string, offset: number, length: number, encoding?: BufferEncoding): number;
	copy(target: Uint8Array, targetStart?: number, sourceStart?: number, sourceEnd?: number): number;
	fill(value: string | number | Uint8Array, start?: any, end?: any, encoding?: BufferEncoding): this;
	readUInt8(offset?: number): number;
	writeUInt8(value: number, offset?: number): number;
	readUint8(offset?: number): number;
	writeUint8(value: number, offset?: number): number;
	readInt8(offset?: number): number;
	writeInt8(value: number, offset?: number): number;
	readUInt16LE(offset?: number): number;
	writeUInt16LE(value: number, offset?: number): number;
	readUInt16BE(offset?: number): number;
	writeUInt16BE(value: number, offset?: number): number;
	readUint16LE(offset?: number): number;
	writeUint16LE(value: number, offset?: number): number;
	readUint16BE(offset?: number): number;
	writeUint16BE(value: number, offset?: number): number;
	readInt16LE(offset?: number): number;
	writeInt16LE(value: number, offset?: number): number;
	readInt16BE(offset?: number): number;
	writeInt16BE(value: number, offset?: number): number;
	readUInt32LE(offset?: number): number;
	writeUInt32LE(value: number, offset?: number): number;
	readUInt32BE(offset?: number): number;
	writeUInt32BE(value: number, offset?: number): number;
	readUint32LE(offset?: number): number;
	writeUint32LE(value: number, offset?: number): number;
	readUint32BE(offset?: number): number;
	writeUint32BE(value: number, offset?: number): number;
	readInt32LE(offset?: number): number;
	writeInt32LE(value: number, offset?: number): number;
	readInt32BE(offset?: number): number;
	writeInt32BE(value: number, offset?: number): number;
	readFloatLE(offset?: number): number;
	writeFloatLE(value: number, offset?: number): number;
	readFloatBE(offset?: number): number;
	writeFloatBE(value: number, offset?: number): number;
	readDoubleLE(offset?: number): number;
	writeDoubleLE(value: number, offset?: number): number;
	readDoubleBE(offset?: number): number;
	writeDoubleBE(value: number, offset?: number): number;
	readBigUInt64LE(offset?: number): bigint;
	writeBigUInt64LE(value: bigint, offset?: number): number;
	readBigUInt64BE(offset?: number): bigint;
	writeBigUInt64BE(value: bigint, offset?: number): number;
	readBigUint64LE(offset?: number): bigint;
	writeBigUint64LE(value: bigint, offset?: number): number;
	readBigUint64BE(offset?: number): bigint;
	writeBigUint64BE(value: bigint, offset?: number): number;
	readBigInt64LE(offset?: number): bigint;
	writeBigInt64LE(value: bigint, offset?: number): number;
	readBigInt64BE(offset?: number): bigint;
	writeBigInt64BE(value: bigint, offset?: number): number;
	readUIntLE(offset: number, byteLength: number): number;
	writeUIntLE(value: number, offset: number, byteLength: number): number;
	readUIntBE(offset: number, byteLength: number): number;
	writeUIntBE(value: number, offset: number, byteLength: number): number;
	readUintLE(offset: number, byteLength: number): number;
	writeUintLE(value: number, offset: number, byteLength: number): number;
	readUintBE(offset: number, byteLength: number): number;
	writeUintBE(value: number, offset: number, byteLength: number): number;
	readIntLE(offset: number, byteLength: number): number;
	writeIntLE(value: number, offset: number, byteLength: number): number;
	readIntBE(offset: number, byteLength: number): number;
	writeIntBE(value: number, offset: number, byteLength: number): number;
	swap16(): this;
	swap32(): this;
	swap64(): this;
}
declare namespace process {
	let env: { [name: string]: string | undefined };
	/** What exit() ends with where it is given nothing. */
	let exitCode: number | undefined;
	let platform: string;
	let title: string;
	let pid: number;
	let version: string;
	let versions: { lettermill: string };
	const argv: string[];
	function cwd(): string;
	/** What runs drains, as with infinity.terminate. */
	function exit(code?: number | string): void;
	function nextTick<A extends any[]>(callback: (...args: A) => void, ...args: A): void;
	function memoryUsage(): { rss: number, heapTotal: number, heapUsed: number, external: number,
		arrayBuffers: number };
	function emitWarning(warning: string | Error): void;
	function uptime(): number;
	function hrtime(before?: [number, number]): [number, number];
	namespace hrtime {
		function bigint(): bigint;
	}
}

// What require gives without a file is not typed here; @types/node and the package lettermill do that.
declare module "assert";
declare module "node:assert";
declare module "assert/strict";
declare module "node:assert/strict";
declare module "buffer";
declare module "node:buffer";
declare module "crypto";
declare module "node:crypto";
declare module "events";
declare module "node:events";
declare module "fs";
declare module "node:fs";
declare module "fs/promises";
declare module "node:fs/promises";
declare module "os";
declare module "node:os";
declare module "path";
declare module "node:path";
declare module "path/posix";
declare module "node:path/posix";
declare module "process";
declare module "node:process";
declare module "stream";
declare module "node:stream";
declare module "stream/promises";
declare module "node:stream/promises";
declare module "string_decoder";
declare module "node:string_decoder";
declare module "timers";
declare module "node:timers";
declare module "timers/promises";
declare module "node:timers/promises";
declare module "util";
declare module "node:util";
declare module "lettermill";
declare module "lettermill/pop3";
declare module "lettermill/smtp";
declare module "lettermill/client";
