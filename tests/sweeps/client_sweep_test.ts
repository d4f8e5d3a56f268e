/** The client over connections that end at every byte, and wrong clients, which must be found. */

import { assert, assertEquals } from "@std/assert";
import { Sender } from "../../lib/http/sender.ts";
import { type Client, sweepClient } from "../sim/client_sweep.ts";
import { type Change, withMutation } from "../sim/mutants.ts";
import { tell } from "../sim/arena.ts";

const CONNECTION = "http/transport/connection.ts";

/** The wrong clients. */
const MUTATIONS: readonly (Change & { readonly name: string })[] = [
  {
    name: "a request is sent again after its answer has begun",
    file: CONNECTION,
    from: 'this.#state === "waiting" && this.#heardMs === undefined && this.#served > 0',
    to: 'this.#state === "waiting" && this.#served > 0',
  },
  {
    name: "a connection with unread bytes is used again",
    file: CONNECTION,
    from: "this.#mayReuse &&= this.#start === this.#end;\n" +
      "    if (!this.#mayReuse) return this.close();\n" +
      "    this.#start = this.#end = 0;",
    to: "if (!this.#mayReuse) return this.close();",
  },
  {
    name: "what comes unasked is kept for the next request",
    file: CONNECTION,
    from: "return this.close(); // nobody asked",
    to: "return;",
  },
  {
    name: "a length counts more than chunks",
    file: "http/transport/answer_head.ts",
    from: "if (codings.length > 0) return",
    to: "if (codings.length > 0 && length === undefined) return",
  },
  {
    name: "the head of a 1xx is taken for the answer",
    file: CONNECTION,
    from: "if (head.status >= 200) return this.#answer(head);",
    to: "if (head.status >= 100) return this.#answer(head);",
  },
  {
    name: "an end is a success without a status",
    file: CONNECTION,
    from:
      'this.#fail(new TransportError("unanswered", brokenReason(error, began), errorCode(error)));',
    to:
      'this.#resolve?.({ status: 200, statusText: "", headers: new Headers() as never, body: null });',
  },
  {
    name: "a body that ends early is whole",
    file: CONNECTION,
    from: 'if (this.#state === "body" && isUntilClose && error === undefined) {',
    to: 'if (this.#state === "body" && error === undefined) {',
  },
];

Deno.test("wherever a connection ends, no answer is taken for another's, and nothing is sent twice without need", async (test) => {
  const { runs, found } = await sweepClient({ Sender });
  assertEquals(found, []);
  assert(runs > 1_000);
  tell(`${test.name}: ${runs} runs`);
});

Deno.test("every wrong client is found out", async (test) => {
  for (const mutation of MUTATIONS) {
    await test.step(mutation.name, async () => {
      const mutant: Client = await withMutation(mutation, (load) => load("http/sender.ts"));
      const { found } = await sweepClient(mutant);
      assert(found.length > 0, "it is not found");
      tell(`${mutation.name}: ${found[0]}`);
    });
  }
});
