import { assert, assertEquals } from "@std/assert";
import {
  AWAY_FILE,
  believedAfterMs,
  believedAwayMs,
  Marks,
  OPEN_FILE,
  STRUGGLING_FILE,
} from "../../../lib/queue/store/marks.ts";
import { A, grounded } from "./ground.ts";

const HOUR_MS = 3_600_000;

Deno.test("marks are dot files in the destination's folder, which is made for them", () =>
  grounded(async ({ queue, nowMs, world }) => {
    const marks = new Marks(queue);
    await marks.after(A, nowMs + 1_500.5);
    await marks.open(A, 'it said "no"');
    const found = Object.entries(world.disk.image().files())
      .filter(([path]) => path.startsWith(`/q/defer/${A}/.`));
    const [[after, empty], [open, json], ...more] = found as [[string, string], [string, string]];
    assertEquals(after, `/q/defer/${A}/.after@${nowMs + 1_501}`);
    assertEquals([empty, more], ["", []]);
    assertEquals(open, `/q/defer/${A}/.open~${queue.owner}`);
    assertEquals(JSON.parse(json), { since: new Date(nowMs).toISOString(), error: 'it said "no"' });
  }));

Deno.test("a mark that is there already is as good as a new one", () =>
  grounded(async (ground) => {
    const marks = new Marks(ground.queue);
    for (let n = 0; n < 2; n++) {
      await marks.after(A, 5_000);
      await marks.open(A, `error ${n}`);
    }
    assertEquals(ground.files(`defer/${A}`).length, 2);
  }));

Deno.test("an answer removes everybody's word, a withdrawal only one's own", () =>
  grounded(async (ground) => {
    const other = await ground.another();
    const [ours, theirs] = [new Marks(ground.queue), new Marks(other.queue)];
    for (const marks of [ours, theirs]) await marks.open(A, "down");
    await ours.withdraw(A);
    assertEquals(ground.files(`defer/${A}`), [`.open~${other.queue.owner}`]);
    await ours.open(A, "down");
    ground.put(`defer/${A}/.hold`);
    ground.put(`defer/${A}/.opener`);
    await ours.takeBack(A, OPEN_FILE);
    assertEquals(ground.files(`defer/${A}`), [".hold", ".opener"]);
  }));

Deno.test("which part of the requests succeeds is said anew, in one file of each consumer", () =>
  grounded(async (ground) => {
    const marks = new Marks(ground.queue);
    const name = `.struggling~${ground.queue.owner}`;
    for (const share of [0.5, 1 / 3]) await marks.struggling(A, share, "it said 502");
    assertEquals(ground.files(`defer/${A}`), [name]);
    const text = ground.world.disk.image().files()[`/q/defer/${A}/${name}`]!;
    assertEquals(JSON.parse(text), {
      since: new Date(ground.nowMs).toISOString(),
      share: 0.33,
      error: "it said 502",
    });
    await marks.open(A, "down");
    await marks.takeBack(A, STRUGGLING_FILE);
    assertEquals(ground.files(`defer/${A}`), [`.open~${ground.queue.owner}`]);
    await marks.struggling(A, 0.5, "it said 502");
    await marks.withdraw(A);
    assertEquals(ground.files(`defer/${A}`), []);
  }));

Deno.test("since when a destination was away stays when its consumer goes, until anybody takes it back", () =>
  grounded(async (ground) => {
    const other = await ground.another();
    await new Marks(ground.queue).away(A, ground.nowMs - 1_500.5);
    await new Marks(ground.queue).withdraw(A);
    assertEquals(ground.files(`defer/${A}`), [`.away@${ground.nowMs - 1_501}`]);
    await new Marks(other.queue).takeBack(A, AWAY_FILE);
    assertEquals(ground.files(`defer/${A}`), []);
  }));

Deno.test("what isn't there needs not be removed", () =>
  grounded(async ({ queue }) => {
    const marks = new Marks(queue);
    await marks.withdraw(A);
    await marks.takeBack(A, OPEN_FILE);
    await marks.drop(`defer/${A}`, ".after@1");
  }));

Deno.test("a mark that is over and resists hurts nobody", () =>
  grounded(async (ground) => {
    ground.put(`defer/${A}/.after@1`);
    ground.refuse("remove", "EACCES");
    await new Marks(ground.queue).drop(`defer/${A}`, ".after@1");
    assertEquals(ground.files(`defer/${A}`), [".after@1"]);
  }));

Deno.test("of a time to be left alone until only what a clock can have set is believed", () => {
  const nowMs = 1_800_000_000_000;
  const believed = (ms: number) => believedAfterMs(`.after@${ms}`, nowMs) - nowMs;
  assertEquals(believed(nowMs + 1), 1);
  assertEquals(believed(nowMs + 2.25 * HOUR_MS), 2.25 * HOUR_MS);
  for (const ms of [nowMs, nowMs - 1, 0, nowMs + 2.25 * HOUR_MS + 1]) {
    assertEquals(believed(ms), -nowMs, `${ms}`);
  }
  for (const name of [".after@", ".after@x", ".after@1x", "after@9999999999999", ".hold"]) {
    assertEquals(believedAfterMs(name, 0), 0, name);
  }
  assert(believedAfterMs(".after@5", 0) === 5);
});

Deno.test("of a time since when it was away only what a clock can have set is believed, for a week", () => {
  const nowMs = 1_800_000_000_000;
  const believed = (ms: number) => believedAwayMs(`.away@${ms}`, nowMs) === ms;
  for (const ms of [nowMs - 7 * 24 * HOUR_MS, nowMs - 1, nowMs + HOUR_MS / 4]) assert(believed(ms));
  for (const ms of [nowMs - 7 * 24 * HOUR_MS - 1, 0, nowMs + HOUR_MS / 4 + 1]) {
    assertEquals(believedAwayMs(`.away@${ms}`, nowMs), 0);
  }
  for (const name of [".away@", ".away@x", "away@1800000000000", ".after@1800000000000"]) {
    assertEquals(believedAwayMs(name, nowMs), 0, name);
  }
});
