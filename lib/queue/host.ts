/**
 * Which host a consumer is on, as its claims and its owner file tell others.
 *
 * Two questions hang on it. Does a free lock prove that an owner is dead? Only if its kernel is
 * ours: on a network file system another's locks may not be seen here. And does its lease end at
 * its time, or 15 minutes later? At its time if its clock is ours: the machine's, also after a
 * restart. A host name answers neither: names are cut, repeat, and of containers they change.
 *
 * @module
 */

import { errorCode, type Runtime } from "../runtime/runtime.ts";
import { hostLabel } from "./name.ts";
import { step, type Steps } from "./steps.ts";

/**
 * The host of a process that has opened the queue at `base`.
 *
 * @param ownerName What its owner calls it, for containers that come back under other host names:
 * they give their word that no other machine has that name, so it stands for the machine as well.
 */
export function* hostOf(
  base: string,
  runtime: Runtime,
  ownerName: string | undefined,
): Steps<string> {
  const kernel = yield* kernelOf(base, runtime);
  if (ownerName !== undefined) {
    return hostLabel({ name: ownerName, machine: `owner ${ownerName}`, kernel });
  }
  const { hostname, machineId } = runtime;
  // Without an id of its machine a restart can't be told from another host of that name.
  const machine = `${hostname} ${machineId ?? kernel}`;
  return hostLabel({ name: hostname, machine, kernel });
}

/**
 * The kernel: the boot tells. Where that may not be read (of Deno's programs only those with every
 * permission may), what is true of one kernel alone must do:
 *
 * - the folder on a disk of this kernel's own: whoever sees it so comes through this kernel. (From
 *   elsewhere it is a network file system, which has no disk's number. After a restart it is the
 *   same again; no harm: the dead hold no locks.)
 * - else the machine together with the host name, since images of containers and clones of machines
 *   can have a machine's id in common;
 * - else chance: nobody's locks are believed, and the lease decides alone.
 */
function* kernelOf(base: string, runtime: Runtime): Steps<string> {
  const { bootId, machineId, hostname, disk, random } = runtime;
  if (bootId !== undefined) return `boot ${bootId}`;
  try {
    const { dev, ino } = yield* step(disk.lstat(`${base}/cur`));
    if (runtime.ownsDevice(dev)) return `device ${dev} ${ino}`;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
  return machineId === undefined
    ? `none ${random()} ${random()}`
    : `machine ${machineId} ${hostname}`;
}
