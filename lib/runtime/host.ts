/**
 * What tells hosts apart better than their names do: the identities a system gives its kernel and
 * its machine, and which devices are its own.
 *
 * @module
 */

import type { Runtime } from "./runtime.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const MACHINE_ID = "/etc/machine-id";

/** The device numbers of disks, by system; what is mounted without a device has others. */
const isDisk: Readonly<Record<string, (dev: number) => boolean>> = {
  // Network file systems, and a few local ones without a device, have the major number 0.
  linux: (dev) => (dev & 0xfff00) !== 0 || dev >= 2 ** 44,
  // Others count from the number of kinds of disks on, which is 24.
  darwin: (dev) => (dev >>> 24) > 0 && (dev >>> 24) < 24,
};

/**
 * The identities of the host this process is on.
 *
 * @param system What the system is called, such as `linux`.
 * @param read Reads a file; `undefined` for one that isn't there or that may not be read.
 */
export function hostIds(
  system: string,
  read: (path: string) => string | undefined,
): Pick<Runtime, "bootId" | "machineId" | "ownsDevice"> {
  const isOwn = isDisk[system] ?? (() => false);
  const idIn = (path: string) => {
    const id = system === "linux" ? read(path)?.trim() : undefined;
    // systemd writes "uninitialized" where there is to be an id later
    return id !== undefined && /^[0-9a-f-]{32,36}$/.test(id) ? id : undefined;
  };
  return { bootId: idIn(BOOT_ID), machineId: idIn(MACHINE_ID), ownsDevice: isOwn };
}
