/**
 * Is the file system fit for a queue, and is there room?
 *
 * @module
 */

import type { Room, Volume } from "../../runtime/runtime.ts";
import type { Finding } from "./finding.ts";

/** What a kind of file system means for a queue. */
type Meaning = Pick<Finding, "severity" | "text"> & { readonly advice?: string };

const PROVEN: Meaning = {
  severity: "ok",
  text: "renames are atomic across a crash, which is all that is needed",
};

const REMOTE: Meaning = {
  severity: "note",
  text: "it is shared: with other machines' consumers a dead one's events wait for their lease",
  advice: "give each machine a host name of its own, and keep their clocks together",
};

const IN_MEMORY: Meaning = {
  severity: "warning",
  text: "it is in memory: a restart of the machine loses all events",
  advice: "move the queue to a disk",
};

const WITHOUT_LINKS: Meaning = {
  severity: "warning",
  text: "it has no hard links and no journal: chosen ids are refused, a power cut may lose events",
  advice: "move the queue to ext4, xfs or btrfs",
};

const UNTRIED: Meaning = {
  severity: "note",
  text: "nobody has tried a power cut on it here",
};

const MEANINGS: Readonly<Record<string, Meaning>> = {
  ext4: PROVEN,
  xfs: PROVEN,
  btrfs: PROVEN,
  apfs: PROVEN,
  ntfs: PROVEN,
  nfs: REMOTE,
  nfs4: REMOTE,
  cifs: REMOTE,
  smb3: REMOTE,
  tmpfs: IN_MEMORY,
  ramfs: IN_MEMORY,
  vfat: WITHOUT_LINKS,
  exfat: WITHOUT_LINKS,
  overlay: {
    severity: "warning",
    text: "it is a container's own layer: the events go with the container",
    advice: "mount a volume at the queue",
  },
};

/** How a file system may be mounted, and shouldn't. */
const OPTIONS: Readonly<Record<string, Meaning>> = {
  ro: {
    severity: "failure",
    text: "it is mounted read-only",
    advice: "see the kernel's log for why, and mount it writable",
  },
  discard: {
    severity: "note",
    text: "it is mounted with discard: each removal may wait for the device",
    advice: "mount it without, and let fstrim.timer do it once a week",
  },
  "data=writeback": {
    severity: "warning",
    text: "it is mounted with data=writeback: a power cut may leave files with wrong bytes",
    advice: "mount it with data=ordered",
  },
  "barrier=0": {
    severity: "warning",
    text: "it is mounted without barriers: a power cut may lose what was acknowledged",
    advice: "mount it without barrier=0",
  },
  nobarrier: {
    severity: "warning",
    text: "it is mounted without barriers: a power cut may lose what was acknowledged",
    advice: "mount it without nobarrier",
  },
};

/** Less than this part left is worth a word. */
const LITTLE = 0.05;

/** What a queue's file system means for it. */
export function* volumeFindings(volume: Volume): Iterable<Finding> {
  const { kind, options = [], bytes, files } = volume;
  const topic = "file system";
  if (kind === undefined) {
    yield { severity: "note", topic, text: "what kind it is can't be told from here" };
  } else {
    const { text, ...rest } = MEANINGS[kind] ?? UNTRIED;
    yield { ...rest, topic, text: `${kind}: ${text}` };
  }
  for (const option of options) {
    const meaning = OPTIONS[option];
    if (meaning) yield { ...meaning, topic };
  }
  if (bytes) yield roomFinding("space", bytes, (count) => `${(count / 2 ** 30).toFixed(1)} GiB`);
  if (files) yield roomFinding("inodes", files, String);
}

function roomFinding(topic: string, room: Room, shown: (count: number) => string): Finding {
  const { total, free } = room;
  const percent = `${Math.floor((100 * free) / Math.max(1, total))} %`;
  const text = `${shown(free)} of ${shown(total)} free (${percent})`;
  if (free === 0) {
    return { severity: "failure", topic, text, advice: "make room: new events are refused" };
  }
  return free < LITTLE * total
    ? { severity: "warning", topic, text, advice: "make room before new events are refused" }
    : { severity: "ok", topic, text };
}
