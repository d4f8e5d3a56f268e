/**
 * What an executable may do: the flags that give the permissions, and the sentences that tell a
 * person about them.
 *
 * Both come from one value, so `--help` of an executable can't promise what its flags don't hold.
 *
 * @module
 */

/** What is baked into a *locked* build. A member that is absent or empty leaves that side open. */
export interface Locks {
  /** The only directory it may use, absolute; also its default base directory. */
  readonly baseDir?: string;
  /** The only hosts it may talk to, `host` or `host:port`. */
  readonly hosts: readonly string[];
}

/**
 * What a locked build may look at beside its directory, on systems that have it: what tells this
 * machine from others, and, by the date of a device that each kernel or container makes anew, this
 * start of it from the one before. Files below `/proc` and `/sys` can't be had: Deno opens them for
 * `--allow-all` and nothing less.
 */
const MACHINE_FILES = ["/etc/machine-id"];

/** What Deno tells by `--allow-sys`: a part of a claim's name, what memory and disk there is. */
const SYSTEM = ["hostname", "statfs", "systemMemoryInfo"];

/** Variables that stand for options, and where systemd puts secrets. */
const VARIABLES = ["OPTIMIZELYD_BASE_DIR", "OPTIMIZELYD_CONFIG", "CREDENTIALS_DIRECTORY"];

/** Variables by which requests are known to go through a proxy. */
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
  .flatMap((name) => [name, name.toLowerCase()]);

/**
 * Flags of `deno compile` and `deno run` alike. Whatever isn't granted here is refused without
 * asking.
 */
export function permissionFlags({ baseDir, hosts }: Locks): string[] {
  const machineFiles = baseDir?.startsWith("/") ? MACHINE_FILES : [];
  return [
    // never ask: a question on a terminal nobody watches is a hang, and a "yes" would be an
    // escalation
    "--no-prompt",
    // the queue, or whichever directory --base-dir names
    baseDir === undefined ? "--allow-read" : `--allow-read=${[baseDir, ...machineFiles].join()}`,
    baseDir === undefined ? "--allow-write" : `--allow-write=${baseDir}`,
    // delivery
    hosts.length === 0 ? "--allow-net" : `--allow-net=${hosts.join(",")}`,
    // proxies, and the variables that are ours where the base directory isn't baked in
    `--allow-env=${[...(baseDir === undefined ? VARIABLES : []), ...PROXIES].join()}`,
    `--allow-sys=${SYSTEM.join()}`,
  ];
}

/** The same for a person, one fact a line, as `--help` ends with. */
export function permissionLines({ baseDir, hosts }: Locks): string[] {
  const locked = baseDir !== undefined;
  return [
    `files:        ${locked ? `only ${baseDir}, the default base directory` : "any"}`,
    `network:      ${hosts.length === 0 ? "any host" : `only ${hosts.join(", ")}`}`,
    `environment:  ${locked ? "only proxies" : `only ${VARIABLES.join(", ")}, proxies`}`,
    "system:       only the host name, the machine's id, how much memory and disk there is",
    "never:        running programs, loading libraries, importing code, asking for more",
  ];
}
