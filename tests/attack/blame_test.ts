/**
 * Events whose consumers are killed again and again while endpoints don't answer: what only waited
 * in the memory of the dead must not die of it.
 */

import { assert, assertEquals } from "@std/assert";
import { FOLDERS } from "../../lib/queue/layout.ts";
import { parseName } from "../../lib/queue/name.ts";
import { Arena } from "../sim/arena.ts";
import { type Answer, startEndpoint } from "../support/endpoint.ts";
import { command } from "../support/program.ts";
import { filesBelow, namesIn, tempDir } from "../support/temp_dir.ts";

const EVENTS = 30;
const DEATHS = 6;

/** What six deaths led to. */
interface Aftermath {
  /** Why events died. */
  readonly reasons: readonly string[];
  /** Ids that arrived. */
  readonly delivered: ReadonlySet<string>;
}

/**
 * Kill six consumers one after the other while nothing is answered, each when a request of its own
 * has arrived; then answer, and let a seventh drain the queue.
 */
async function sixDeaths(...options: readonly string[]): Promise<Aftermath> {
  let answers = false;
  const delivered = new Set<string>();
  const answer: Answer = ({ headers }) => {
    if (!answers) return new Promise(() => {});
    delivered.add(headers.get("idempotency-key")!);
    return new Response(null, { status: 204 });
  };
  await using server = startEndpoint(answer);
  await using dir = await tempDir();
  for (const folder of FOLDERS) Deno.mkdirSync(`${dir.path}/${folder}`);
  for (let n = 0; n < EVENTS; n++) {
    const text = JSON.stringify({ url: server.url, requestBody: n });
    Deno.writeTextFileSync(`${dir.path}/new/event-${n}.json`, text);
  }
  const consume = () =>
    command(["consume", "--base-dir", dir.path, "--until-empty", ...options], {
      stdout: "null",
      stderr: "null",
    }).spawn();
  for (let deaths = 0; deaths < DEATHS; deaths++) {
    const dying = consume();
    // if all are dead already, nothing arrives and it ends by itself
    await Promise.race([server.arrived(server.taken.length + 1), dying.status]);
    try {
      dying.kill("SIGKILL");
    } catch {
      // it has ended
    }
    await dying.status;
  }
  answers = true;
  assertEquals((await consume().status).code, 0);
  assertEquals(namesIn(`${dir.path}/cur`), []);
  const reasons = filesBelow(`${dir.path}/doa`).filter((name) => name.endsWith(".why"))
    .map((name) => JSON.parse(Deno.readTextFileSync(`${dir.path}/doa/${name}`)).reason);
  assertEquals(delivered.size + reasons.length, EVENTS);
  return { reasons, delivered };
}

Deno.test("of events that wait for one in flight whose consumers die six times, none dies", async () => {
  const { reasons, delivered } = await sixDeaths("--per-destination", "1");
  assert(reasons.length <= 1, `${reasons}`); // the one in flight may have been the same each time
  assert(delivered.size >= EVENTS - 1);
  for (const reason of reasons) {
    assertEquals(reason, "its consumer died 5 times while it was being sent");
  }
});

Deno.test("an event that kills its consumers when they look at it is dead after five, and no other", async () => {
  const arena = new Arena();
  const { world } = arena;
  for (let n = 0; n < 5; n++) arena.plant(`event-${n}`, n);
  world.onVerb = ({ verb, path, process }) => {
    if (verb === "read" && path.includes("event-2")) process.kill();
    return undefined;
  };
  for (let deaths = 0; deaths < 5; deaths++) {
    const process = world.process();
    const died = (async () => {
      while (process.alive) await world.time.sleep(1_000, undefined);
    })();
    await world.run(Promise.race([arena.consume(process, "until-empty"), died]));
    assert(!process.alive);
  }
  await world.run(arena.consume(world.process(), "until-empty"));
  arena.judge();
  const dead = arena.files().filter((path) => path.startsWith("doa/") && !path.endsWith(".why"));
  assertEquals(dead.map((path) => parseName(path.slice(4)).id), ["event-2"]);
});

Deno.test("of events in flight together whose consumers are killed six times, none dies", async () => {
  const { reasons } = await sixDeaths();
  assertEquals(reasons, []);
});
