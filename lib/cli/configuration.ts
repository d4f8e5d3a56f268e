/**
 * What a consumer is told: by the command line, and by the configuration file where there is one.
 *
 * @module
 */

import { UsageError } from "./args.ts";
import { ConfigError, type ConfigFile, MOST_CONFIG_BYTES, readConfig } from "./config_file.ts";
import { type ConsumeOptions, readConsumeOptions } from "./consume_options.ts";
import type { Texts } from "./given.ts";
import type { Io } from "./io.ts";

/**
 * Read a configuration file.
 *
 * @throws {ConfigError} If it can't be used; the message says where and why.
 * @throws The system's error, when it can't be read.
 */
export async function readConfigFile(path: string, io: Pick<Io, "readFile">): Promise<ConfigFile> {
  const bytes = await io.readFile(path, MOST_CONFIG_BYTES);
  if (bytes.length > MOST_CONFIG_BYTES) {
    throw new ConfigError(`${path}: it must have at most ${MOST_CONFIG_BYTES} bytes`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigError(`${path}: it must be UTF-8 text`, { cause });
  }
  return readConfig(text, path);
}

/**
 * The options of a consumer, as the command line and the file say at this moment.
 *
 * @param path The configuration file; `undefined` for none.
 * @param written The options on the command line, which win.
 * @throws {ConfigError | UsageError} If something is wrong; the message says where and why.
 * @throws The system's error, when the file can't be read.
 */
export async function configure(
  path: string | undefined,
  written: Texts,
  io: Pick<Io, "readFile">,
): Promise<ConsumeOptions> {
  if (path === undefined) return readConsumeOptions(written);
  const file = await readConfigFile(path, io);
  try {
    return readConsumeOptions(written, file);
  } catch (error) {
    if (!(error instanceof UsageError) || written.size > 0) throw error;
    throw new ConfigError(error.message, { cause: error });
  }
}
