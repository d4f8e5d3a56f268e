import { assertEquals } from "@std/assert";
import { type Attempted, type Verdict, verdictOf } from "../../lib/lanes/verdict.ts";

Deno.test("an attempt says about its destination what the table says", () => {
  const rows: [Attempted | undefined, Verdict][] = [
    [{ outcome: "delivered", status: 204 }, "success"],
    [{ outcome: "delivered", status: 409 }, "success"],
    [{ outcome: "deferred", isTimeout: true }, "silence"],
    [{ outcome: "deferred", status: 429 }, "overload"],
    [{ outcome: "deferred", status: 503 }, "overload"],
    [{ outcome: "deferred" }, "unreachable"],
    ...[101, 103, 302, 401, 403, 407, 408, 425, 500, 502, 599].map((
      status,
    ): [Attempted, Verdict] => [{ outcome: "deferred", status }, "failure"]),
    [{ outcome: "deferred", status: 404 }, "nothing"],
    [{ outcome: "refused", status: 400 }, "nothing"],
    [{ outcome: "refused", status: 500 }, "nothing"],
    [{ outcome: "aborted" }, "nothing"],
    [{ outcome: "crowded" }, "nothing"],
    // An answer that could not be kept was an answer all the same.
    [{ outcome: "deferred", status: 200, error: new Error("no space left") }, "success"],
    [{ outcome: "deferred", status: 200 }, "failure"],
    [undefined, "nothing"],
  ];
  for (const [attempt, verdict] of rows) {
    assertEquals(verdictOf(attempt), verdict, JSON.stringify(attempt));
  }
});
