// Lettermill for Node.js: POP3, SMTP and LMTP servers and clients.

import { EventEmitter } from 'events';
import { Readable } from 'stream';

/** "major.minor.patch" */
export const version: string;

// ---- Clients ----

/** What went wrong with a client. */
export class MailError extends Error {
	/** 'AUTH', 'TIMEOUT', 'CONNECT', 'NO_HOST', 'TLS', 'DENIED', 'AGAIN', 'IN_USE', 'CLOSED',
	 * 'CANCELED', 'PROTO', 'SYNTAX', 'LIMIT', 'UNSUPPORTED', 'MISUSE' and the like; 'SOURCE': what
	 * send() was to read failed, `cause` says how. */
	code: string;
	/** Who is to blame: 'client': nothing was sent; 'server': it said no; 'peer': it broke the
	 * protocol; 'network': the connection, TLS, time. */
	side?: 'client' | 'server' | 'peer' | 'network';
	/** 'RETR', 'SEND', 'LOGIN' … */
	request?: string;
	/** As it was said, secrets masked: 'RETR 3'. */
	command?: string;
	/** The reply's text. */
	reply?: string;
	/** SMTP: 550. */
	replyCode?: number;
	/** SMTP: '5.1.1'. */
	enhanced?: string;
	/** POP3: 'SYS_TEMP', 'IN_USE' … */
	pop3Code?: string;
	/** Of one recipient of a message. */
	recipient?: string;
	/** Of send(): all of them. */
	rejected?: Array<{ recipient: string; error: MailError }>;
	/** Of send(): the connection was lost so late that the message may have been delivered. */
	unknown?: boolean;
}

/** An AbortSignal, or as much of one as clients look at. */
export interface Signal {
	readonly aborted: boolean;
	readonly reason?: unknown;
	addEventListener(name: 'abort', listener: () => void, options?: { once?: boolean }): void;
	removeEventListener?(name: 'abort', listener: () => void): void;
}

export interface CallOptions {
	/** The promise is rejected with an error whose name is 'AbortError' and code 'CANCELED'. */
	signal?: Signal;
}

export type TlsMode = 'off' | 'opportunistic' | 'starttls' | 'implicit';
export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export interface ClientTlsOptions {
	mode?: TlsMode;
	/** Trust these (PEM); else those of the system. */
	ca?: string | Uint8Array | Array<string | Uint8Array>;
	/** The client's own certificate and key, PEM. */
	cert?: string | Uint8Array | Array<string | Uint8Array>;
	key?: string | Uint8Array;
	minVersion?: TlsVersion;
	maxVersion?: TlsVersion;
	/** false: go on whatever the certificate says, and tell by info.tlsDoubt. */
	rejectUnauthorized?: boolean;
}

export interface ClientOptions extends CallOptions {
	/** A name or an address, or the path of a Unix socket; 'localhost'. */
	host?: string;
	port?: number;
	/** 'starttls'; 'implicit' on ports 995 and 465. true: 'implicit', false: 'off'. */
	tls?: TlsMode | boolean | ClientTlsOptions;
	user?: string;
	password?: string;
	/** Whom to act as. */
	authzid?: string;
	/** A SASL mechanism, 'APOP' or 'USER'; else the best. */
	mechanism?: string;
	/** An OAuth bearer token, or what gives one when it is needed. */
	token?: string | (() => string | Promise<string>);
	noLogin?: boolean;
	/** No readable passwords without TLS, not even with tls: 'off'. */
	noPlain?: boolean;
	/** Bounds connecting and every wait for the server, in ms; 60,000. */
	timeout?: number;
	/** As tls.rejectUnauthorized: false. */
	insecure?: boolean;
	noPipelining?: boolean;
	legacyConnect?: boolean;
	trace?: boolean;
}

export interface Pop3ClientOptions extends ClientOptions {
	protocol?: 'pop3';
	/** Octets of one message; 1 GiB. */
	maxMessage?: number;
	/** Lines of a listing; 10,000,000. */
	maxItems?: number;
}

export interface SmtpClientOptions extends ClientOptions {
	protocol?: 'smtp' | 'submission' | 'lmtp';
	/** The name said in EHLO. */
	helo?: string;
	noChunking?: boolean;
	force8bit?: boolean;
}

export interface ClientInfo {
	readonly greeting: string;
	readonly capabilities: string[];
	readonly stamp?: string;
	readonly peerAddress: string;
	readonly peerPort: number;
	readonly localAddress: string;
	readonly localPort: number;
	readonly user: string;
	readonly mechanism: string;
	readonly tls: boolean;
	readonly tlsVersion?: string;
	readonly tlsCipher?: string;
	readonly tlsBits?: number;
	readonly tlsDoubt?: string;
}

export interface Credentials {
	user?: string;
	password?: string;
	authzid?: string;
	mechanism?: string;
	token?: string;
}

declare class Client extends EventEmitter {
	/** Resolves when it is connected, secured and logged in. Once for each client. */
	connect(options?: CallOptions): Promise<this>;
	/** Where connect() was given no user. */
	login(credentials: Credentials, options?: CallOptions): Promise<void>;
	readonly connected: boolean;
	/** As last told; empty before the connection is there. */
	readonly info: Partial<ClientInfo>;
	/** '' or the parameters of a capability; undefined: the server has it not. */
	has(name: string): string | undefined;
	/** Asked anew. */
	capabilities(options?: CallOptions): Promise<string[]>;
	noop(options?: CallOptions): Promise<void>;
	reset(options?: CallOptions): Promise<void>;
	/** QUIT, behind all calls made before. */
	quit(options?: CallOptions): Promise<void>;
	/** End at once, without QUIT: what waits is rejected. */
	close(): Promise<void>;
	/** 'trace' is to be listened for before connect(). */
	on(name: 'trace', listener: (line: { from: 'client' | 'server'; line: string }) => void): this;
	on(name: 'error', listener: (error: MailError) => void): this;
	on(name: 'close', listener: () => void): this;
	/** quit(), or close() where that is too late. */
	[Symbol.asyncDispose](): Promise<void>;
}

export interface FetchedMessage {
	readonly number: number;
	/** undefined: the server has no UIDL. */
	readonly uid?: string;
	readonly size: number;
	buffer(options?: CallOptions): Promise<Buffer>;
	/** Octets that are no UTF-8 are lone surrogates. */
	text(options?: CallOptions): Promise<string>;
	stream(options?: CallOptions): Readable;
	delete(options?: CallOptions): Promise<void>;
}

export class Pop3Client extends Client implements AsyncIterable<FetchedMessage> {
	static connect(options: Pop3ClientOptions | string | URL): Promise<Pop3Client>;
	/** An object or a URL: 'pop3s://user:password@host'. */
	constructor(options: Pop3ClientOptions | string | URL);
	stat(options?: CallOptions): Promise<{ count: number; size: number }>;
	list(options?: CallOptions): Promise<Array<{ number: number; size: number }>>;
	list(number: number, options?: CallOptions): Promise<{ number: number; size: number }>;
	uidl(options?: CallOptions): Promise<Array<{ number: number; uid: string }>>;
	uidl(number: number, options?: CallOptions): Promise<{ number: number; uid: string }>;
	retrieve(number: number, options?: CallOptions): Promise<Buffer>;
	/** Calls made later wait until it was read or destroyed. */
	retrieveStream(number: number, options?: CallOptions): Readable;
	top(number: number, lines?: number, options?: CallOptions): Promise<Buffer>;
	/** It is gone when quit() has resolved. */
	delete(number: number, options?: CallOptions): Promise<void>;
	/** Before login() only. */
	utf8(options?: CallOptions): Promise<void>;
	language(): Promise<Array<{ tag: string; description: string }>>;
	language(tag: string, options?: CallOptions): Promise<void>;
	command(line: string, options?: CallOptions): Promise<string>;
	[Symbol.asyncIterator](): AsyncGenerator<FetchedMessage, void, undefined>;
}

type DsnNotify = string | Array<'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY' | string>;
export type Octets = string | Uint8Array | ArrayBuffer;

export interface Recipient {
	address: string;
	notify?: DsnNotify;
	orcpt?: string;
}
export type Recipients = string | Recipient | Array<string | Recipient>;

export interface OutgoingMessage {
	/** '' is the null path; left out: the header's. */
	from?: string | { address: string };
	/** Left out, all three: the header's. */
	to?: Recipients;
	cc?: Recipients;
	bcc?: Recipients;
	/** The message: header, empty line, body. LF becomes CRLF. */
	raw?: Octets | AsyncIterable<Octets> | Iterable<Octets>;
	/** The same as raw. */
	message?: Octets | AsyncIterable<Octets> | Iterable<Octets>;
	dsn?: { notify?: DsnNotify; ret?: 'FULL' | 'HDRS' | string; envid?: string; orcpt?: string };
	smtputf8?: boolean;
	requireTls?: boolean;
	/** MAIL's AUTH parameter. */
	auth?: string;
	/** Leave Bcc in the header. */
	keepBcc?: boolean;
	/** Add Date, Message-ID and From where there are none. */
	addMissing?: boolean;
	/** LF alone is an error. */
	strict?: boolean;
	/** Octets as they are; needs BINARYMIME. */
	binary?: boolean;
}

export interface SendResult {
	accepted: string[];
	rejected: Array<{ recipient: string; error: MailError }>;
	sender: string;
	/** Octets that were sent. */
	size: number;
	reply: string;
	replyCode: number;
	enhanced?: string;
}

export interface SmtpReply {
	code: number;
	enhanced?: string;
	text: string;
}

declare class MailClient extends Client {
	/** An object or a URL: 'submission://user:password@host'. */
	constructor(options: SmtpClientOptions | string | URL);
	/** Resolves when the server took it for one recipient at least. */
	send(message: OutgoingMessage, options?: CallOptions): Promise<SendResult>;
	verify(address: string, options?: CallOptions): Promise<SmtpReply>;
	expand(list: string, options?: CallOptions): Promise<string[]>;
	/** Any reply is a success. */
	command(line: string, options?: CallOptions): Promise<SmtpReply>;
}

export class SmtpClient extends MailClient {
	static connect(options: SmtpClientOptions | string | URL): Promise<SmtpClient>;
}

export class LmtpClient extends MailClient {
	static connect(options: SmtpClientOptions | string | URL): Promise<LmtpClient>;
}

// ---- Servers: common ----

/** PEM: what readFileSync() gives. */
export type Pem = string | Uint8Array;

/** What createSecureContext() makes. Node's own tls.SecureContext cannot be read. */
export interface SecureContext {
	readonly cert: string;
	readonly key: string;
}

export type SniCallback = (name: string,
	done: (error: unknown, context?: SecureContext | { cert: Pem; key: Pem } | null) => void) => unknown;

/** Those of node:tls that mean something here. */
export interface ServerTlsOptions {
	cert?: Pem | Pem[];
	key?: Pem | Array<Pem | { pem: Pem; passphrase?: string }>;
	passphrase?: string;
	/** Authorities that sign for clients; with requestCert. */
	ca?: Pem | Pem[];
	requestCert?: boolean;
	rejectUnauthorized?: boolean;
	minVersion?: TlsVersion;
	maxVersion?: TlsVersion;
	ciphers?: string;
	SNICallback?: SniCallback;
	secureContext?: SecureContext;
}

/** A certificate and its key for an SNICallback; in Node.js it throws where they do not belong
 * together. */
export function createSecureContext(options: { cert: Pem | Pem[]; key: Pem | Pem[] }): SecureContext;

/** Figures of a server that runs. */
export type ServerStats = Record<string, number>;

type Awaitable<T> = T | PromiseLike<T>;

// ---- PopServer ----

/** What a message may be: octets of all of it, or pieces of them. */
export type Contents = Octets | AsyncIterable<Octets> | Iterable<Octets> | null | undefined;

export class PopUser<Data = any> {
	/** `secret` is what APOP, CRAM-MD5 and SCRAM prove to know; null: those are not for him. */
	constructor(user: string, pass: any, secret?: string | null, udata?: Data);
	user: string;
	/** What compare_password gets as its second argument. */
	pass: any;
	secret: string | null;
	udata: Data;
	readonly pass_plain: any;
	readonly passPlain: any;
}

/** A login name as an address; without a domain `hostname` is null. */
export class EmailAddress {
	constructor(username: string, hostname?: string | null, name?: string | null);
	static fromAddress(text: string): EmailAddress;
	username: string;
	hostname: string | null;
	name: string | null;
	readonly address: string;
	toString(): string;
}

export const PopMessageFlag: { readonly Delete: 1 };
export type PopMessageFlag = 1;

/** A set of bits. */
export class Flags {
	constructor(mask?: number);
	mask: number;
	set(bits: number): void;
	clear(bits: number): void;
	are_set(bits: number): boolean;
	are_clear(bits: number): boolean;
}

export class PopMessage {
	/** `size`: octets that RETR will send. */
	constructor(uid: string | number, size: number, contents?: Contents, flags?: Flags | number);
	constructor(uid: string | number, size: number, flags: Flags | number);
	uid: string | number;
	size: number;
	flags: Flags;
	readonly uid_string: string;
	readonly uidString: string;
	/** What the constructor was given, or load_contents() put here. */
	_contents: Contents;
	/** To override: give the contents, or put them into this._contents. */
	load_contents(): Awaitable<Contents | void>;
	/** To override, instead of load_contents(). */
	contents(): Awaitable<Contents>;
}

export const PopSessionState: {
	readonly Authorization: 'AUTHORIZATION';
	readonly Transaction: 'TRANSACTION';
};
export type PopSessionState = 'AUTHORIZATION' | 'TRANSACTION';

export class PopSession {
	constructor(state: PopSessionState);
	state: PopSessionState;
}

export class PopServerSession extends PopSession {
	/** By hand, for tests of an application. */
	constructor(language?: LanguageTexts);
	user: PopUser | null;
	/** What receive_messages gave. */
	messages: PopMessage[] | null;
	invalid_command_count: number;
	/** `user`: the user's own udata. */
	udata: { readonly user: any; [more: string]: any };
	readonly language: Language;
	readonly banner: PopBanner;
	/** Messages that this session has marked; QUIT removes them. */
	readonly deleted_messages: PopMessage[];
	readonly available_message_count: number;
	readonly available_messages_size_sum: number;
	readonly deletedMessages: PopMessage[];
	readonly availableMessageCount: number;
	readonly availableMessagesSizeSum: number;
	readonly invalidCommandCount: number;
}

/** The client's end of a session. */
export class PopSocket extends EventEmitter {
	private constructor();
	/** Under TLS now: on the secure port, or by STLS. */
	readonly secure: boolean;
	/** What a net.Socket would say of itself. */
	readonly socket: {
		readonly remoteAddress: string;
		readonly remotePort: number;
		readonly remoteFamily: 'IPv4' | 'IPv6';
		readonly localAddress: string;
		readonly localPort: number;
		readonly encrypted: boolean;
		readonly servername: string | false;
		readonly destroyed: boolean;
		getProtocol(): string | null;
		destroy(): unknown;
		end(): unknown;
	};
	readonly address: string;
	readonly port: number;
	readonly family: 'IPv4' | 'IPv6';
	/** "IPv4 192.0.2.1:4711" */
	readonly peer: string;
	/** Cut the connection; what was marked for deletion stays. */
	close(): void;
	/** These throw: the library reads and writes. */
	pause(): never;
	resume(): never;
	set_timeout(): never;
	write(): never;
	static connect(): never;
}

export class PopServerConnection<Data = any> extends EventEmitter {
	constructor(server: PopServer, socket: PopSocket | (() => PopSocket), session: PopServerSession);
	/** The application's. */
	udata: Data | undefined;
	server: PopServer;
	popSocket: PopSocket;
	session: PopServerSession;
	readonly pop_socket: PopSocket;
	readonly pop_sock: PopSocket;
	close(): void;
	on(name: 'close', listener: () => void): this;
	on(name: string, listener: (...args: any[]) => void): this;
}

/** The names of lpop3 1.0. Each may give a promise; one that throws, rejects, hangs or gives
 * something else costs its session a temporary failure. */
export interface PopServerCallbacks {
	/** null: nobody. */
	get_user(user: string, connection: PopServerConnection): Awaitable<PopUser | null | undefined>;
	/** PASS, and AUTH with a password: is `raw` what `hash` (PopUser.pass) stands for? */
	compare_password(raw: string, hash: any): Awaitable<boolean>;
	/** May be left out: nobody is. */
	is_in_use?(connection: PopServerConnection): Awaitable<boolean>;
	receive_messages(connection: PopServerConnection): Awaitable<PopMessage[]>;
	/** At QUIT, also of sessions that never logged in (with no messages). */
	delete_messages(connection: PopServerConnection, messages: PopMessage[]): unknown;
	/** A language, or the tag of one that is built in or in the option `languages`. */
	default_language?: LanguageTexts | string;
}

/** Those of lpop3 1.1. */
export interface PopServerNewCallbacks {
	getUser(user: EmailAddress, connection: PopServerConnection): Awaitable<PopUser | null | undefined>;
	comparePassword(raw: string, hash: any): Awaitable<boolean>;
	hasExistingSession?(connection: PopServerConnection): Awaitable<boolean>;
	getMessages(connection: PopServerConnection): Awaitable<PopMessage[]>;
	deleteMessages(connection: PopServerConnection, messages: PopMessage[]): unknown;
	defaultLanguage?: LanguageTexts | string;
}

export class PopServerConfig implements PopServerNewCallbacks {
	defaultLanguage?: LanguageTexts | string;
	constructor(defaultLanguage?: LanguageTexts | string, callbacks?: Partial<PopServerNewCallbacks>);
	constructor(get_user: PopServerCallbacks['get_user'],
		is_in_use: NonNullable<PopServerCallbacks['is_in_use']>,
		compare_password: PopServerCallbacks['compare_password'],
		receive_messages: PopServerCallbacks['receive_messages'],
		delete_messages: PopServerCallbacks['delete_messages'], default_language?: LanguageTexts | string);
	getUser(user: EmailAddress, connection: PopServerConnection): Awaitable<PopUser | null | undefined>;
	hasExistingSession?(connection: PopServerConnection): Awaitable<boolean>;
	comparePassword(raw: string, hash: any): Awaitable<boolean>;
	getMessages(connection: PopServerConnection): Awaitable<PopMessage[]>;
	deleteMessages(connection: PopServerConnection, messages: PopMessage[]): unknown;
}

export interface PopListener {
	port: number;
	host?: string;
}

export interface PopServerOptions {
	/** A port, or null or false for none. To name one switches the other one off. */
	plain?: number | PopListener | null | false;
	secure?: number | PopListener | null | false;
	/** Without cert and key the server makes itself a certificate. false: no TLS at all. */
	tls?: ServerTlsOptions | false;
	/** How long a callback may take, in ms; 30,000. */
	callbackTimeout?: number;
	/** How long close() waits for sessions, in ms; 30,000. */
	drainTimeout?: number;
	/** The tag to begin with. */
	language?: string;
	/** More languages, by their tags. */
	languages?: Record<string, LanguageTexts | { name?: string; language: LanguageTexts }> |
		Array<LanguageTexts & { tag: string }>;
	/** ms without a word from the client; 600,000. */
	timeout?: number;
	commandTimeout?: number;
	/** Offer APOP, by a stamp in the greeting; true. */
	apop?: boolean;
	/** SASL mechanisms; PLAIN and LOGIN. */
	auth?: string[];
	/** What CAPA says of the server. */
	implementation?: string;
	hostname?: string;
	maxConnections?: number;
	maxConnectionsPerAddress?: number;
	allowPlaintextLogin?: boolean;
	requireTls?: boolean;
	maxErrors?: number;
	maxAuthFailures?: number;
	/** ms before a login is refused. */
	authDelay?: number;
	/** ms between logins of a user. */
	loginDelay?: number;
	/** Days that messages are kept, as CAPA says. */
	expire?: number | 'never';
	/** Commands and capabilities that do not exist. */
	hide?: string[];
	proxyFrom?: string[];
	minRate?: number;
	/** Threads that sessions run on. */
	workers?: number;
}

export interface ListenerAddress {
	address: string;
	family: 'IPv4' | 'IPv6';
	port: number;
}

type PopConfig = PopServerCallbacks | PopServerNewCallbacks;

export class PopServer extends EventEmitter {
	constructor(config: PopConfig, options?: PopServerOptions);
	constructor(config: PopConfig, hostname: string | undefined, options?: PopServerOptions);
	constructor(config: PopConfig, hostname: string | undefined, plain: number | null | undefined,
		options?: PopServerOptions);
	constructor(config: PopConfig, hostname: string | undefined, plain: number | null | undefined,
		secure: number | null | undefined, options?: PopServerOptions);
	constructor(config: PopConfig, hostname?: string, plain?: number | null, secure?: number | null,
		backlog?: number, timeout?: number, tls?: ServerTlsOptions, options?: PopServerOptions);
	config: PopConfig;
	hostname: string;
	plain_port: number | null;
	secure_port: number | null;
	backlog: number | undefined;
	timeout: number;
	tls_options: ServerTlsOptions | false;
	/** Listen. Rejected, and 'server_error', where a listener cannot be had. */
	run(): Promise<this>;
	readonly listening: boolean;
	/** Where a listener is; null where it is not. */
	address(secure?: boolean): ListenerAddress | null;
	/** Accept no more, let commands under way end, then close. */
	close(done?: (() => void) | { timeout?: number }): Promise<this>;
	stats(): ServerStats | undefined;
	on(name: 'server_listening' | 'server_close', listener: (secure: boolean) => void): this;
	on(name: 'server_error', listener: (secure: boolean, error: Error) => void): this;
	on(name: 'client_connected' | 'client_disconnected',
		listener: (secure: boolean, socket: PopSocket, connection: PopServerConnection) => void): this;
	/** A callback threw, rejected, hung or gave something else. Printed where nobody listens. */
	on(name: 'callback_error', listener: (error: Error, connection: PopServerConnection | undefined,
		callback: string) => void): this;
	on(name: string, listener: (...args: any[]) => void): this;
}

// ---- POP3 as text ----

/** The stamp of a greeting (RFC 1939 7). */
export class PopBanner {
	constructor(rand?: string, hostname?: string);
	static decode(text: string): PopBanner;
	rand: string;
	hostname: string;
	encode(): string;
}

export class ApopDigest {
	/** Lower-case hex. */
	static generate(banner: { encode(): string }, secret: string): string;
}

export const PopCommandType: {
	readonly User: 'USER'; readonly Pass: 'PASS'; readonly Quit: 'QUIT'; readonly Stat: 'STAT';
	readonly List: 'LIST'; readonly Retr: 'RETR'; readonly Dele: 'DELE'; readonly Noop: 'NOOP';
	readonly Rset: 'RSET'; readonly Top: 'TOP'; readonly Uidl: 'UIDL'; readonly Capa: 'CAPA';
	readonly Lang: 'LANG'; readonly Apop: 'APOP'; readonly Auth: 'AUTH'; readonly Stls: 'STLS';
	readonly Utf8: 'UTF8';
};
export type PopCommandType = typeof PopCommandType[keyof typeof PopCommandType];

export class PopError extends Error {}
export class PopInvalidCommandError extends PopError {}

export class PopCommand {
	constructor(type: PopCommandType, args?: string | null);
	/** Throws a PopInvalidCommandError. */
	static decode(line: string): PopCommand;
	type: PopCommandType;
	args: string | null;
	/** All behind the verb; null: nothing. */
	readonly argument: string | null;
	/** The same cut at single spaces. */
	readonly arguments: string[] | null;
	encode(newline?: boolean): string;
}

export const PopResponseType: { readonly Success: '+OK'; readonly Failure: '-ERR' };
export type PopResponseType = '+OK' | '-ERR';

export const PopExtRespCode: {
	readonly Sys: 'SYS'; readonly SysTemp: 'SYS/TEMP'; readonly SysPerm: 'SYS/PERM';
	readonly Auth: 'AUTH'; readonly InUse: 'IN-USE'; readonly LoginDelay: 'LOGIN-DELAY';
	readonly Utf8: 'UTF8';
};
export type PopExtRespCode = typeof PopExtRespCode[keyof typeof PopExtRespCode];

export class PopResponse {
	constructor(type: PopResponseType, message?: string | string[] | null,
		ext_resp_code?: string | null);
	static decode(line: string): PopResponse;
	type: PopResponseType;
	message: string | string[] | null;
	ext_resp_code: string | null;
	readonly extRespCode: string | null;
	encode(newline?: boolean): string;
}

/** Lines of a multi-line reply, to anything that has write(text). */
export class PopMultilineResponse {
	static encode_line(line: string | string[]): string;
	static write_line(line: string | string[], socket: { write(text: string): unknown }): unknown;
	static write_end(socket: { write(text: string): unknown }): unknown;
}

export const PopCapabilityType: {
	readonly Implementation: 'IMPLEMENTATION'; readonly LoginDelay: 'LOGIN-DELAY';
	readonly RespCodes: 'RESP-CODES'; readonly AuthRespCode: 'AUTH-RESP-CODE';
	readonly Pipelining: 'PIPELINING'; readonly Sasl: 'SASL'; readonly User: 'USER';
	readonly Top: 'TOP'; readonly Expire: 'EXPIRE'; readonly Uidl: 'UIDL'; readonly Stls: 'STLS';
	readonly Utf8: 'UTF8'; readonly Lang: 'LANG';
};
export type PopCapabilityType = typeof PopCapabilityType[keyof typeof PopCapabilityType];

/** A line of CAPA. */
export class PopCapability {
	constructor(type: PopCapabilityType | string, args?: string | string[] | null);
	static decode(line: string): PopCapability;
	type: PopCapabilityType | string;
	args: string | string[] | null;
	encode(): string;
}

/** Text that comes in pieces and goes out in lines. */
export class PopDataBuffer {
	readonly length: number;
	write(chunk: string | Uint8Array): void;
	read(size: number): string;
	/** What stands before the first `separator`, with `add` units of that; null: there is none. */
	segment(separator?: string, add?: number): string | null;
}

/** Throws: sessions cut commands out of octets themselves. */
export class PopServerStream {
	constructor();
}

// ---- Languages of POP3 replies ----

export const LanguageName: { readonly English: 'en'; readonly Dutch: 'nl' };
export type LanguageName = 'en' | 'nl';

type Words = string;
/** A string with {verb}, {state}, {n}, {size}, {count}, {octets}, {user} … or a function. */
type Text<Args extends any[] = []> = Words |
	((...args: [...Args, connection: PopServerConnection]) => Awaitable<Words>);

/** A language: 28 texts, and some that may be there. */
export interface LanguageTexts {
	tag?: string;
	name?: string;
	failure: {
		user: { rejected: Text; already_executed: Text };
		pass: { rejected: Text };
		invalid_state: Text<[command: string, state: string]>;
		invalid_params: Text<[command: string, params: number]>;
		execute_command_first: Text<[command: string, first: string]>;
		command_not_implemented: Text<[command: string]>;
		language: { invalid: Text<[language: string]> };
		invalid_command: Text;
		dele: { already_deleted: Text<[number: number]> };
		no_such_message: Text;
		permission_denied: Text;
		in_use: Text;
		message_deleted: Text<[number: number]>;
		login_delay?: Text;
		tls_required?: Text;
		tls_active?: Text;
		auth?: { mechanism?: Text; syntax?: Text; canceled?: Text };
		invalid_number?: Text;
		line_too_long?: Text;
		invalid_octets?: Text;
		quit?: { not_removed?: Text };
		refused?: Text;
		temporary?: Text;
		permanent?: Text;
		too_many_errors?: Text;
		shutdown?: Text;
	};
	success: {
		greeting: Text;
		capa: Text;
		user: { accepted: Text };
		pass: { accepted: Text };
		quit: Text;
		uidl: { all: Text };
		list: Text;
		retr: Text<[message: PopMessage]>;
		rset: Text;
		dele: { deleted: Text<[number: number]> };
		language: { changing: Text<[language: string]>; list: Text };
		apop: { logged_in: Text };
		top: { base: Text };
		auth?: { logged_in?: Text; list?: Text };
		stls?: Text;
		utf8?: Text;
	};
}

/** The type of a language; plain objects are languages, too. */
export class Language {}
export interface Language extends LanguageTexts {}

export const English: LanguageTexts & { tag: 'en'; name: 'English' };
export const Dutch: LanguageTexts & { tag: 'nl'; name: 'Dutch' };
export function getLanguage(name: LanguageName | string): LanguageTexts | null;
export function get_language(name: LanguageName | string): LanguageTexts | null;

// ---- SmtpServer ----

export interface SmtpAddress {
	address: string;
	/** The parameters of MAIL or RCPT; false: none. */
	args: Record<string, string | true> | false;
}

export interface SmtpSession {
	id: string;
	secure: boolean;
	localAddress: string;
	localPort: number;
	remoteAddress: string;
	remotePort: number;
	clientHostname: string | false;
	openingCommand: string | false;
	hostNameAppearsAs: string | false;
	transmissionType: string;
	tlsOptions: { name?: string; standardName?: string; version?: string } | false;
	/** What onAuth gave. */
	user: any;
	envelope: { mailFrom: SmtpAddress | false; rcptTo: SmtpAddress[] };
	transaction: number;
	xClient: Map<string, any>;
	xForward: Map<string, any>;
	/** The last refusal, as the client saw it. */
	error: string | undefined;
	[more: string]: any;
}

export interface SmtpAuth {
	method: string;
	username: string;
	/** Whom to act as, where that is somebody else. */
	authzid?: string;
	/** PLAIN, LOGIN. */
	password?: string;
	/** XOAUTH2, OAUTHBEARER. */
	accessToken?: string;
	/** CRAM-MD5. */
	challenge?: string;
	challengeResponse?: string;
	validatePassword?(password: string): boolean;
}

export interface SmtpAuthResponse {
	/** Anything that is true: logged in. */
	user?: any;
	/** SCRAM: what the client must prove to know. */
	password?: string;
	/** Whom a client may act as that asked for it. */
	authzid?: string;
	/** Why not. */
	message?: string;
	responseCode?: number;
	enhancedCode?: string;
}

/** A message on its way in; who does not read holds its client back. */
export interface SmtpMessageStream extends Readable {
	/** Octets of it; while it arrives, those that came. */
	byteLength: number;
	/** It was larger than `size`: cut there, and refused. */
	sizeExceeded: boolean;
}

/** `responseCode` (400 to 599) and `enhancedCode` choose the reply. */
export type SmtpRefusal = Error & { responseCode?: number; enhancedCode?: string };
type SmtpDone = (error?: SmtpRefusal | string | null) => void;

export interface SmtpCallbacks {
	onConnect?(session: SmtpSession, done: SmtpDone): unknown;
	onAuth?(auth: SmtpAuth, session: SmtpSession,
		done: (error: SmtpRefusal | string | null, response?: SmtpAuthResponse) => void): unknown;
	onMailFrom?(address: SmtpAddress, session: SmtpSession, done: SmtpDone): unknown;
	onRcptTo?(address: SmtpAddress, session: SmtpSession, done: SmtpDone): unknown;
	/** LMTP: an array answers for each recipient. */
	onData?(stream: SmtpMessageStream, session: SmtpSession,
		done: (error?: SmtpRefusal | string | null,
			reply?: string | Array<string | SmtpRefusal | null | undefined>) => void): unknown;
	onClose?(session: SmtpSession): void;
}

export interface SmtpServerOptions extends SmtpCallbacks, ServerTlsOptions {
	/** TLS from the first octet on. */
	secure?: boolean;
	needsUpgrade?: boolean;
	name?: string;
	banner?: string;
	/** Octets of a message at most. */
	size?: number;
	hideSize?: boolean;
	/** 'PLAIN' and 'LOGIN'. */
	authMethods?: string | string[];
	authOptional?: boolean;
	disabledCommands?: string | string[];
	hideSTARTTLS?: boolean;
	hidePIPELINING?: boolean;
	hide8BITMIME?: boolean;
	hideSMTPUTF8?: boolean;
	allowInsecureAuth?: boolean;
	disableReverseLookup?: boolean;
	sniOptions?: Record<string, { cert: Pem; key: Pem }> | Map<string, { cert: Pem; key: Pem }>;
	maxClients?: number;
	useProxy?: boolean | string | string[];
	useXClient?: boolean | string | string[];
	useXForward?: boolean | string | string[];
	lmtp?: boolean;
	/** ms; 60,000. */
	socketTimeout?: number;
	/** ms; 30,000. */
	closeTimeout?: number;
	logger?: boolean | { info?: LogFunction; debug?: LogFunction; error?: LogFunction };
	component?: string;
	ignoredHosts?: string[];
	/** 10; counted wherever AUTH is announced, with authOptional, too; false: any number. */
	maxAllowedUnauthenticatedCommands?: number | false;
	/** How long a callback may take, in ms; 30,000. */
	callbackTimeout?: number;
	maxRecipients?: number;
	maxErrors?: number;
	maxAuthFailures?: number;
	/** ms before a login is refused. */
	authDelay?: number;
	/** Threads that sessions run on. */
	workers?: number;
}

type LogFunction = (entry: object, text: string, ...args: any[]) => void;

/** As much of a net.Server as there is. */
export interface SmtpListener extends EventEmitter {
	readonly listening: boolean;
	address(): ListenerAddress | string | null;
	getConnections(done: (error: null, count: number) => void): this;
	listen(...args: any[]): SmtpListener;
	close(done?: (error?: Error) => void): this;
	ref(): this;
}

export interface SmtpConnection {
	readonly id: string;
	readonly session: SmtpSession;
	readonly remoteAddress: string;
	readonly remotePort: number;
	readonly localAddress: string;
	readonly localPort: number;
	readonly clientHostname: string | false;
	readonly hostNameAppearsAs: string | false;
	readonly secure: boolean;
	readonly name: string;
	/** Cut it. */
	close(): void;
}

export class SmtpServer extends EventEmitter {
	constructor(options?: SmtpServerOptions);
	readonly options: SmtpServerOptions;
	readonly connections: Set<SmtpConnection>;
	readonly logger: { info: LogFunction; debug: LogFunction; error: LogFunction };
	readonly server: SmtpListener;
	readonly listening: boolean;
	listen(port?: number | string, host?: string, backlog?: number, done?: () => void): SmtpListener;
	listen(port: number | string, host: string, done?: () => void): SmtpListener;
	listen(port: number | string, done?: () => void): SmtpListener;
	listen(path: string, done?: () => void): SmtpListener;
	listen(options: { port?: number; host?: string } | { path: string }, done?: () => void): SmtpListener;
	listen(done: () => void): SmtpListener;
	/** Accept no more, let transactions end, then close; after `closeTimeout` close what is left. */
	close(done?: (error?: Error) => void): Promise<void>;
	/** Other certificates and TLS settings, for connections that come from now on. */
	updateSecureContext(options?: Partial<SmtpServerOptions>): void;
	stats(): ServerStats | undefined;
	onConnect(session: SmtpSession, done: SmtpDone): unknown;
	onAuth(auth: SmtpAuth, session: SmtpSession,
		done: (error: SmtpRefusal | string | null, response?: SmtpAuthResponse) => void): unknown;
	onMailFrom(address: SmtpAddress, session: SmtpSession, done: SmtpDone): unknown;
	onRcptTo(address: SmtpAddress, session: SmtpSession, done: SmtpDone): unknown;
	onData(stream: SmtpMessageStream, session: SmtpSession,
		done: (error?: SmtpRefusal | string | null,
			reply?: string | Array<string | SmtpRefusal | null | undefined>) => void): unknown;
	onClose(session: SmtpSession): void;
	on(name: 'listening' | 'close', listener: () => void): this;
	on(name: 'error', listener: (error: Error & { code?: string }) => void): this;
	on(name: 'connect', listener: (session: SmtpSession) => void): this;
	on(name: 'callback_error', listener: (error: Error, session: SmtpSession | undefined,
		callback: string) => void): this;
	on(name: string, listener: (...args: any[]) => void): this;
}
/** The name that npm's smtp-server has. */
export { SmtpServer as SMTPServer };
