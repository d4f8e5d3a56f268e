/**
 * Leaving word about destinations, and taking it back: as marks in their folders, and in what is
 * known of these here.
 *
 * @module
 */

import type { Queue } from "../queue.ts";
import { AWAY_FILE, type Marks, OPEN_FILE, STRUGGLING_FILE, type TakenBack } from "./marks.ts";

/** What is known of the marks in a destination's folder. */
export interface MarkedFolder {
  /** Until when the endpoint asked to be left alone, Unix ms; 0 for not. */
  afterMs: number;
  /** Whether some consumer says that it is down. */
  isMarkedOpen: boolean;
  /** Whether some consumer says that it is struggling. */
  isMarkedStruggling: boolean;
  /** Since when it was away, Unix ms; 0 for not. */
  awaySinceMs: number;
}

/** The folders of destinations, by label. */
export interface MarkedFolders {
  /** Whether several destinations share one, so that nothing is said in it. */
  isShared(label: string): boolean;
  /** One of them, known from now on. */
  of(label: string): MarkedFolder;
  /** One of them, if it is known. */
  known(label: string): MarkedFolder | undefined;
}

/** Leaves word and takes it back. */
export class Word {
  readonly #queue: Queue;
  readonly #marks: Marks;
  readonly #folders: MarkedFolders;

  /** Of one consumer. */
  constructor(queue: Queue, marks: Marks, folders: MarkedFolders) {
    this.#queue = queue;
    this.#marks = marks;
    this.#folders = folders;
  }

  /**
   * Leave word in a destination's folder. Where several share one nothing is said of any.
   *
   * @param isNews Notes it as well, and tells whether it has to be written down.
   * @throws The disk's error.
   */
  async #tell(
    destination: string,
    isNews: (folder: MarkedFolder) => boolean,
    write: (marks: Marks, label: string) => Promise<void>,
  ): Promise<void> {
    const label = await this.#queue.folderOf(destination);
    if (!this.#folders.isShared(label) && isNews(this.#folders.of(label))) {
      await write(this.#marks, label);
    }
  }

  /**
   * Take back everybody's word of one kind.
   *
   * @throws The disk's error.
   */
  async #takeBack(
    destination: string,
    marks: TakenBack,
    note: (folder: MarkedFolder) => void,
  ): Promise<void> {
    const label = await this.#queue.folderOf(destination);
    if (this.#folders.isShared(label)) return;
    await this.#marks.takeBack(label, marks);
    const folder = this.#folders.known(label);
    if (folder) note(folder);
  }

  /**
   * Tell all consumers to leave a destination alone until `untilMs`, Unix ms, also after a restart.
   *
   * @throws The disk's error.
   */
  after(destination: string, untilMs: number): Promise<void> {
    const isNews = (folder: MarkedFolder) => {
      const isLater = untilMs > folder.afterMs;
      if (isLater) folder.afterMs = untilMs;
      return isLater;
    };
    return this.#tell(destination, isNews, (marks, label) => marks.after(label, untilMs));
  }

  /**
   * Tell people that this consumer finds a destination down, and why.
   *
   * @throws The disk's error.
   */
  open(destination: string, error: string): Promise<void> {
    const isNews = (folder: MarkedFolder) => folder.isMarkedOpen = true;
    return this.#tell(destination, isNews, (marks, label) => marks.open(label, error));
  }

  /**
   * The destination has answered: whoever said that it was down, it no longer is.
   *
   * @throws The disk's error.
   */
  takeBackOpen(destination: string): Promise<void> {
    return this.#takeBack(destination, OPEN_FILE, (folder) => folder.isMarkedOpen = false);
  }

  /**
   * Tell people that this consumer finds a destination struggling: which part of the requests
   * succeeds, 0 to 1, and why the others don't.
   *
   * @throws The disk's error.
   */
  struggling(destination: string, share: number, error: string): Promise<void> {
    const isNews = (folder: MarkedFolder) => folder.isMarkedStruggling = true;
    const write = (marks: Marks, label: string) => marks.struggling(label, share, error);
    return this.#tell(destination, isNews, write);
  }

  /**
   * Nearly all requests to the destination succeed, or none: whoever said so, it struggles no more.
   *
   * @throws The disk's error.
   */
  takeBackStruggling(destination: string): Promise<void> {
    const note = (folder: MarkedFolder) => folder.isMarkedStruggling = false;
    return this.#takeBack(destination, STRUGGLING_FILE, note);
  }

  /**
   * Tell all consumers, also those that come later, since when a destination has been away, Unix
   * ms.
   *
   * @throws The disk's error.
   */
  away(destination: string, sinceMs: number): Promise<void> {
    const isNews = (folder: MarkedFolder) => {
      const isEarlier = folder.awaySinceMs === 0 || sinceMs < folder.awaySinceMs;
      if (isEarlier) folder.awaySinceMs = sinceMs;
      return isEarlier;
    };
    return this.#tell(destination, isNews, (marks, label) => marks.away(label, sinceMs));
  }

  /**
   * The destination takes all it gets again.
   *
   * @throws The disk's error.
   */
  takeBackAway(destination: string): Promise<void> {
    return this.#takeBack(destination, AWAY_FILE, (folder) => folder.awaySinceMs = 0);
  }
}
