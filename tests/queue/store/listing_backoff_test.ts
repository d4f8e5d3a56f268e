import { assertEquals, assertThrows } from "@std/assert";
import { DiskFailure } from "../../../lib/store/failure.ts";
import { grounded } from "./ground.ts";

const ERROR = Object.assign(new Error("EIO"), { code: "EIO" });

Deno.test("a folder that can't be listed is told, and after half a minute it is a failure", () =>
  grounded(async (ground) => {
    const backoff = ground.backoff();
    backoff.notListed(ERROR, "new");
    assertEquals(ground.trace, [
      { type: "disk-trouble", verb: "list", code: "EIO", reason: "looked at again later" },
    ]);
    await ground.pass(29_999);
    backoff.notListed(ERROR, "new");
    await ground.pass(1);
    assertEquals(assertThrows(() => backoff.notListed(ERROR, "new"), DiskFailure).cause, ERROR);
  }));

Deno.test("one listing in between shows that the disk works", () =>
  grounded(async (ground) => {
    const backoff = ground.backoff();
    for (let n = 0; n < 10; n++) {
      backoff.notListed(ERROR, "new");
      await ground.pass(20_000);
      backoff.listed("new");
    }
  }));

Deno.test("that another folder can be listed is no help", () =>
  grounded(async (ground) => {
    const backoff = ground.backoff();
    backoff.notListed(ERROR, "new");
    await ground.pass(30_000);
    backoff.listed("cur");
    backoff.notListed(ERROR, "all");
    assertThrows(() => backoff.notListed(ERROR, "new"), DiskFailure);
  }));

Deno.test("a destination's folder that can't be listed is told, and no failure however long it lasts", () =>
  grounded(async (ground) => {
    const backoff = ground.backoff();
    for (let n = 0; n < 3; n++) {
      backoff.notListed(ERROR);
      await ground.pass(3_600_000);
    }
    assertEquals(ground.trace.length, 3);
  }));

Deno.test("a bug is thrown as it is", () =>
  grounded((ground) => {
    assertThrows(() => ground.backoff().notListed(new TypeError("a bug")), TypeError, "a bug");
    return Promise.resolve();
  }));
