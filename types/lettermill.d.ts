// Lettermill for Node.js: POP3, SMTP and LMTP servers and clients.

import { EventEmitter } from 'events';
import { Readable } from 'stream';

/** "major.minor.patch" */
export const version: string;

// ---- Clients ----

/** What went wrong with a client. */
export class MailError extends Error {
	/** 'AUTH', 'TIMEOUT', 'CONNECT', 'NO_HOST', 'TLS', 'DENIED', 'AGAIN', 'IN_USE', 'CLOSED',
	 * 'CANCELED', 'PROTO', 'SYNTAX', 'LIMIT', 'UNSUPPORTED', 'MISUSE' and the like. */
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
