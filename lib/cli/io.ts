/**
 * What a command needs of the program around it: the three streams, signals, and what the
 * environment said.
 *
 * An interface only. The entry file implements it on the real process; tests hand in their own.
 *
 * @module
 */

/** A stream for text. */
export interface Output {
  /** Whether a person is likely to read along. */
  readonly isTerminal: boolean;
  /** Width in characters at this moment; 80 where there is none. */
  columns(): number;
  /**
   * Write all of the text. Rejects when the reader has gone (`EPIPE`) or the disk behind it fails.
   */
  write(text: string): Promise<void>;
}

/** Standard input. */
export interface Input {
  /** Whether somebody would have to type it. */
  readonly isTerminal: boolean;
  /** Its bytes; read at most once. */
  readonly readable: ReadableStream<Uint8Array>;
}

/**
 * What a signal asks for: SIGINT and SIGTERM a stop, SIGHUP to read the configuration again, or, of
 * who has none, a stop as well.
 */
export type Ask = "stop" | "reload";

/** Another thread, which runs this program. */
export interface Thread {
  /** Tell it something that can be copied. */
  post(message: unknown): void;
  /** End it at once. */
  terminate(): void;
}

/** Told of what a thread does. */
export interface ThreadListener {
  /** It tells something. */
  readonly onMessage: (message: unknown) => void;
  /** It has ended by itself, and why. */
  readonly onDeath: (reason: string) => void;
}

/** Such a thread's side: the way to whoever started it. */
export interface Port {
  /** Tell something that can be copied. */
  post(message: unknown): void;
  /** Call `onMessage` for whatever it is told. */
  listen(onMessage: (message: unknown) => void): void;
}

/** The program around a command. */
export interface Io {
  /** Where events to enqueue may come from. */
  readonly stdin: Input;
  /** Where results go. */
  readonly stdout: Output;
  /** Where everything else goes: logs, progress, errors. */
  readonly stderr: Output;
  /** The queue's directory when no `--base-dir` is given. */
  readonly defaultBaseDir: string;
  /** The configuration file when no `--config` is given; `undefined` for none. */
  readonly defaultConfig: string | undefined;
  /** Where systemd has put the secrets of a service; `undefined` for nowhere. */
  readonly credentialsDirectory: string | undefined;
  /** What this build may do, one line each; printed at the end of the help when there is any. */
  readonly permissions: readonly string[];
  /**
   * Read a file that the command line names, wherever it lies; at most `maxBytes + 1` bytes of it,
   * so that a file that is too large is seen to be.
   */
  readFile(path: string, maxBytes: number): Promise<Uint8Array>;
  /**
   * Call `handler` whenever a signal asks for something. Returns how to take it off again.
   */
  onSignal(handler: (ask: Ask) => void): () => void;
  /** Cores of this machine. */
  readonly cores: number;
  /** Start a thread that serves its {@linkcode Port}. */
  startThread(listener: ThreadListener): Thread;
}
