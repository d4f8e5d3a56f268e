/**
 * A bad neighbour: somebody who may write into a queue's folders and uses it. It puts symlinks and
 * FIFOs in the place of folders and files, and moves folders and files away and back, in an order
 * that its seed decides.
 *
 * All that its symlinks lead to is in a *canary* directory: whatever changes there was done by
 * somebody else on its behalf. What it moves away it keeps, and {@linkcode Neighbour.leave} puts
 * everything back, so that an event that is not on the queue then was lost by the queue.
 *
 * As a program: `deno run -A tests/attack/neighbour.ts QUEUE CANARY SEED [PAUSE_MS]`; it attacks
 * until SIGTERM, then leaves and ends with 0.
 *
 * @module
 */

/** The six folders. */
const FOLDERS = ["tmp", "new", "cur", "defer", "doa", "res"] as const;

/** What is in a canary that nobody has touched. */
const CANARY_FOLDERS = [...FOLDERS, "defer/http_a.invalid_80", "deep", "deep/er"];

/** Uniform in [0, 1), from a seed: mulberry32. */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Something that is out of its place for a while. */
interface Displaced {
  /** Where it belongs. */
  readonly path: string;
  /** Where it is. */
  readonly kept: string;
  /** Whether something else is in its place. */
  readonly isReplaced: boolean;
}

/** A bad neighbour. */
export class Neighbour {
  /** How often it did what. */
  readonly deeds = new Map<string, number>();
  readonly #base: string;
  readonly #canary: string;
  readonly #hoard: string;
  readonly #random: () => number;
  readonly #displaced: Displaced[] = [];
  #count = 0;

  /**
   * @param base The queue.
   * @param canary Where its symlinks lead; see {@linkcode plantCanary}.
   */
  constructor(base: string, canary: string, seed: number) {
    this.#base = base;
    this.#canary = canary;
    this.#hoard = `${canary}-hoard`;
    this.#random = chance(seed);
    Deno.mkdirSync(this.#hoard, { recursive: true });
  }

  /** One deed: something is put out of its place, or back. */
  step(): void {
    const out = this.#displaced.length;
    // the last first, so that its place is as it left it
    if (out > 2 || out > 0 && this.#random() < 0.5) return this.#putBack(this.#displaced.pop()!);
    const deeds = [
      () => this.#replace("folder by symlink", this.#someFolder(), "symlink"),
      () => this.#replace("folder by FIFO", this.#someFolder(), "fifo"),
      () => this.#replace("folder gone", this.#someFolder(), "nothing"),
      () => this.#replace("file by symlink", this.#someFile(), "symlink"),
      () => this.#replace("file by FIFO", this.#someFile(), "fifo"),
      () => this.#replace("file gone", this.#someFile(), "nothing"),
      () => this.#plant(),
    ];
    deeds[this.#below(deeds.length)]!();
  }

  /** Put everything back, and take away what was planted. */
  leave(): void {
    for (const displaced of this.#displaced.splice(0).reverse()) this.#putBack(displaced);
    Deno.removeSync(this.#hoard, { recursive: true });
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  #namesIn(folder: string): Deno.DirEntry[] {
    try {
      return [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1);
    } catch {
      return [];
    }
  }

  /** A true one of the queue, at any depth. */
  #someFolder(): string | undefined {
    const folder = this.#anyFolder();
    const isTrue = foldersTo(this.#base, folder).every(isFolder);
    return isTrue ? folder : undefined;
  }

  #anyFolder(): string {
    const folders = FOLDERS.map((name) => `${this.#base}/${name}`);
    for (const { name, isDirectory } of this.#namesIn(`${this.#base}/defer`)) {
      if (!isDirectory) continue;
      folders.push(`${this.#base}/defer/${name}`);
      for (const bucket of this.#namesIn(`${this.#base}/defer/${name}`)) {
        if (bucket.isDirectory) folders.push(`${this.#base}/defer/${name}/${bucket.name}`);
      }
    }
    return folders[this.#below(folders.length)]!;
  }

  #someFile(): string | undefined {
    const folder = this.#someFolder();
    const files = this.#namesIn(folder ?? "").filter(({ isFile }) => isFile);
    const file = files[this.#below(files.length)];
    return file && `${folder}/${file.name}`;
  }

  #replace(
    deed: string,
    path: string | undefined,
    by: "symlink" | "fifo" | "nothing",
  ): void {
    if (path === undefined || this.#displaced.some((one) => one.path.startsWith(path))) return;
    const kept = `${this.#hoard}/${this.#count++}`;
    try {
      if (Deno.lstatSync(path).isSymlink) return;
      Deno.renameSync(path, kept);
    } catch {
      return; // gone meanwhile
    }
    this.deeds.set(deed, (this.deeds.get(deed) ?? 0) + 1);
    try {
      if (by === "symlink") Deno.symlinkSync(this.#somewhere(path), path);
      if (by === "fifo") this.#makeFifo(path);
    } catch {
      // it was made anew meanwhile
    }
    this.#displaced.push({ path, kept, isReplaced: by !== "nothing" });
  }

  /** The canary's folder of the same name, or any. */
  #somewhere(path: string): string {
    const names = CANARY_FOLDERS;
    const same = path.slice(this.#base.length + 1).split("/")[0]!;
    return `${this.#canary}/${this.#random() < 0.5 ? same : names[this.#below(names.length)]}`;
  }

  #makeFifo(path: string): void {
    new Deno.Command("mkfifo", { args: [path], stderr: "null" }).outputSync();
  }

  /** A symlink in a folder of the queue, under any name. */
  #plant(): void {
    const folder = this.#someFolder();
    if (folder === undefined) return;
    const names = [
      "event.json",
      ".edge-1-abcdefgh",
      "x+1@1~edge-1-abcdefgh-1",
      "http_b.invalid_80",
    ];
    const path = `${folder}/${names[this.#below(names.length)]}`;
    try {
      Deno.symlinkSync(`${this.#canary}/secret`, path);
      this.#displaced.push({ path, kept: "", isReplaced: true });
      this.deeds.set("symlink planted", (this.deeds.get("symlink planted") ?? 0) + 1);
    } catch {
      // there is one
    }
  }

  #putBack({ path, kept, isReplaced }: Displaced): void {
    if (isReplaced) {
      try {
        const { isSymlink, isFile, isDirectory } = Deno.lstatSync(path);
        if (isSymlink || !isFile && !isDirectory) Deno.removeSync(path);
      } catch {
        // somebody has done that
      }
    }
    if (kept !== "") merge(kept, path);
  }
}

/** The folders on the way to one below `base`, and itself. */
function foldersTo(base: string, folder: string): string[] {
  const names = folder.slice(base.length + 1).split("/");
  return names.map((_, depth) => `${base}/${names.slice(0, depth + 1).join("/")}`);
}

/** Move back what was moved away; into the folder that was made in its place, if there is one. */
function merge(from: string, to: string): void {
  if (!isFolder(from)) return put(from, to);
  if (isFolder(to)) {
    for (const { name } of Deno.readDirSync(from)) merge(`${from}/${name}`, `${to}/${name}`);
    Deno.removeSync(from);
    return;
  }
  put(from, to);
}

function put(from: string, to: string): void {
  Deno.mkdirSync(to.replace(/\/[^/]*$/, ""), { recursive: true });
  Deno.renameSync(from, to);
}

function isFolder(path: string): boolean {
  try {
    return Deno.lstatSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Make a canary directory: folders as in a queue, with files of every kind a queue touches. */
export function plantCanary(dir: string): void {
  Deno.mkdirSync(dir);
  Deno.writeTextFileSync(`${dir}/secret`, "nobody's business", { mode: 0o600 });
  for (const folder of CANARY_FOLDERS) {
    const path = `${dir}/${folder}`;
    Deno.mkdirSync(path, { mode: 0o700 });
    for (const name of ["event.json", ".after@1", ".open~a-1-b", ".edge-1-abcdefgh", "x.why"]) {
      const text = name === "event.json" ? '{"url":"http://stolen.invalid/"}' : "";
      Deno.writeTextFileSync(`${path}/${name}`, text, { mode: 0o600 });
      Deno.utimeSync(`${path}/${name}`, 1_000_000, 1_000_000);
    }
  }
}

/**
 * A line for everything in a canary directory: path, kind, mode, mtime of files, content. Equal
 * before and after when nobody has touched it.
 */
export function surveyCanary(dir: string): string[] {
  const lines: string[] = [];
  const walk = (path: string) => {
    const { mode, mtime, isDirectory, isFile } = Deno.lstatSync(path);
    const text = isFile ? Deno.readTextFileSync(path) : "";
    const at = isFile ? mtime!.getTime() : "";
    lines.push(`${path.slice(dir.length)} ${(mode! & 0o7777).toString(8)} ${at} ${text}`);
    if (isDirectory) {
      for (const { name } of Deno.readDirSync(path)) walk(`${path}/${name}`);
    }
  };
  walk(dir);
  return lines.sort();
}

if (import.meta.main) {
  const [base, canary, seed, pauseMs = "5"] = Deno.args as [string, string, string, string?];
  const neighbour = new Neighbour(base, canary, Number(seed));
  let isOver = false;
  Deno.addSignalListener("SIGTERM", () => isOver = true);
  while (!isOver) {
    neighbour.step();
    await new Promise((resolve) => setTimeout(resolve, Number(pauseMs)));
  }
  neighbour.leave();
  // deno-lint-ignore no-console -- its result
  console.log(JSON.stringify(Object.fromEntries(neighbour.deeds)));
  Deno.exit(0);
}
