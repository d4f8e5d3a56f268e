import { assertEquals } from "@std/assert";
import { type Refusal, Turns } from "../../lib/lanes/turns.ts";

type Kind = "odd" | "even";

const GO = () => undefined;
const FULL = () => 0;

/** Lanes are numbers; those of a kind may send while there is room for it. */
function yard() {
  const room: Record<Kind, number> = { odd: 0, even: 0 };
  const kindOf = (lane: number): Kind => lane % 2 === 0 ? "even" : "odd";
  return {
    turns: new Turns<number, Kind>(["odd", "even"]),
    room,
    refusal: (lane: number): Refusal<Kind> | undefined => {
      const kind = kindOf(lane);
      if (room[kind] <= 0) return kind;
      room[kind]--;
      return undefined;
    },
    roomOf: (kind: Kind) => room[kind],
  };
}

Deno.test("lanes take turns in the order in which they were woken, each once until it is woken again", () => {
  const turns = new Turns<string, never>([]);
  for (const lane of ["a", "b", "a", "c"]) turns.wake(lane);
  const took = [];
  for (let lane; (lane = turns.next(GO, FULL));) {
    took.push(lane);
    if (took.length === 1) turns.wake("a");
  }
  assertEquals(took, ["a", "b", "c", "a"]);
});

Deno.test("a lane that may not send loses its turn until it is woken", () => {
  const turns = new Turns<string, never>([]);
  turns.wake("a");
  turns.wake("b");
  assertEquals(turns.next((lane) => lane === "a" ? "other" : undefined, FULL), "b");
  assertEquals(turns.next(GO, FULL), undefined);
});

Deno.test("blocked lanes come back without being woken, in their order, as many as there is room for", () => {
  const { turns, room, refusal, roomOf } = yard();
  for (let lane = 1; lane <= 8; lane++) turns.wake(lane);
  assertEquals(turns.next(refusal, roomOf), undefined);
  room.odd = 2;
  assertEquals([1, 2, 3].map(() => turns.next(refusal, roomOf)), [1, 3, undefined]);
  room.even = 9;
  room.odd = 1;
  const took = [1, 2, 3, 4, 5, 6].map(() => turns.next(refusal, roomOf));
  assertEquals(took, [5, 2, 4, 6, 8, undefined]);
});

Deno.test("lanes that are in line don't keep those waiting that were blocked", () => {
  const { turns, room, refusal, roomOf } = yard();
  room.even = Infinity;
  turns.wake(1);
  assertEquals(turns.next(refusal, roomOf), undefined);
  turns.wake(2);
  room.odd = 1;
  assertEquals(turns.unblock(roomOf), true);
  const took: unknown[] = [];
  for (let n = 0; n < 3; n++) {
    const lane = turns.next(refusal, roomOf);
    took.push(lane);
    if (lane === 2) turns.wake(2);
  }
  assertEquals(took, [2, 1, 2]);
});

Deno.test("a lane that is forgotten has no turn any more", () => {
  const { turns, room, refusal, roomOf } = yard();
  turns.wake(1);
  turns.next(refusal, roomOf);
  turns.wake(2);
  turns.forget(1);
  turns.forget(2);
  room.odd = room.even = 9;
  assertEquals(turns.next(refusal, roomOf), undefined);
});
