import { assertEquals } from "@std/assert";
import { failed } from "../../lib/http/failed.ts";

const url = new URL("https://a.example/secret");

function outcomeOf(error: unknown, { expired = false, aborted = false, isAnswered = false } = {}) {
  const deadline = { expired, isOver: aborted || expired };
  return failed({ error, isAnswered, url, deadline, timeoutMs: 5_000 });
}

/** As Deno's `fetch` rejects: no code anywhere. */
function denoError(text: string, at = "https://a.example/secret"): TypeError {
  const cause = new Error(`error sending request for url (${at}): client error (${text}`);
  return new TypeError("fetch failed", { cause });
}

/** As Node's. */
function nodeError(code: string, message: string): TypeError {
  return new TypeError("fetch failed", { cause: Object.assign(new Error(message), { code }) });
}

Deno.test("a process without a file left is crowded, however its runtime says so", () => {
  const errors: [error: Error, code: string][] = [
    [denoError("Connect): tcp open error: Too many open files (os error 24)"), "EMFILE"],
    [denoError("Connect): dns error: Too many open files (os error 24)"), "EMFILE"],
    [denoError("Connect): tcp open error: Too many open files in system (os error 23)"), "ENFILE"],
    [nodeError("EMFILE", "connect EMFILE 127.0.0.1:80"), "EMFILE"],
    [nodeError("ENFILE", "getaddrinfo ENFILE a.example"), "ENFILE"],
    [Object.assign(new Error("no more"), { code: "EMFILE" }), "EMFILE"],
  ];
  for (const [error, code] of errors) {
    const reason = `too many files are open to connect: ${code}`;
    assertEquals(outcomeOf(error), { outcome: "crowded", reason });
  }
});

Deno.test("what only looks like a lack of files is the network's", () => {
  const hostile = "http://a/: client error (Connect): x (os error 24)";
  const errors = [
    denoError("Connect): tcp connect error: Connection refused (os error 111)"),
    denoError("SendRequest): connection error: Connection reset by peer (os error 104)", hostile),
    denoError("SendRequest): Too many open files (os error 24)"),
    nodeError("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:80"),
    new TypeError("fetch failed"),
    "EMFILE",
  ];
  for (const error of errors) assertEquals(outcomeOf(error).outcome, "deferred");
  const afterAnswer = outcomeOf(nodeError("EMFILE", "read EMFILE"), { isAnswered: true });
  assertEquals(afterAnswer.outcome, "deferred");
});

Deno.test("the time limit and a stop come before whatever was thrown", () => {
  const error = nodeError("EMFILE", "connect EMFILE");
  assertEquals(outcomeOf(error, { expired: true }), {
    outcome: "deferred",
    reason: "no answer within 5 s",
    isTimeout: true,
  });
  assertEquals(outcomeOf(error, { aborted: true }), { outcome: "aborted", reason: "called off" });
});

Deno.test("what the runtime forbids is refused", () => {
  const error = Object.assign(new Error("Requires net access"), { name: "NotCapable" });
  assertEquals(outcomeOf(error), {
    outcome: "refused",
    reason: "this program may not reach a.example: its network permissions must include it",
  });
});

Deno.test("a network's reason names the trouble and not the URL, and turns no terminal around", () => {
  const error = denoError("Connect): tcp connect error: Connection refused (os error 111)");
  const refused = "client error (Connect): tcp connect error: Connection refused (os error 111)";
  assertEquals(outcomeOf(error).reason, refused);
  const hostile = nodeError("E", "bad certificate of \u202eelpmaxe\u009b, see https://u:p@a/");
  assertEquals(outcomeOf(hostile).reason, "bad certificate of \\u202eelpmaxe\\u009b, see ...");
});
