/** What steps add to a request: headers, credentials, signatures. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Webhook } from "standardwebhooks";
import { type Auth, withAuth } from "../../lib/http/auth.ts";
import { CredentialError, Credentials } from "../../lib/http/credentials.ts";
import { withDefaults } from "../../lib/http/defaults.ts";
import { secretsOf } from "../../lib/http/secrets.ts";
import { type Sign, withSignature } from "../../lib/http/sign.ts";
import type { HttpRequest, StepContext } from "../../lib/http/step.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { clock as realClock } from "../../lib/runtime/web.ts";

const URL_ = new URL("http://a.test/");

function requestOf(more: Partial<HttpRequest> = {}): HttpRequest {
  return { url: URL_, method: "POST", headers: [], body: '{"a":"é"}', ...more };
}

/** A context in which these references have these secrets. */
function contextOf(secrets: Readonly<Record<string, string>>): StepContext {
  const read = (reference: string) => {
    const secret = secrets[reference];
    if (secret === undefined) throw Object.assign(new Error("no"), { code: "ENOENT" });
    return secret;
  };
  const { hmacSha256 } = denoRuntime();
  const credentials = new Credentials(read, realClock);
  const token = () => "made.by-somebody";
  return { id: "msg-1", nowMs: 1_700_000_000_999, credentials, token, hmacSha256 };
}

async function authorized(auth: Auth, secret: string, own: HttpRequest["headers"] = []) {
  return await withAuth(requestOf({ headers: own }), auth, contextOf({ "file:x": secret }));
}

Deno.test("the operator's headers are between ours and the event's", () => {
  const event = { url: URL_, method: "POST", headers: [["x-b", "event"]] as const, body: "1" };
  const headers = { "X-A": "operator", "x-b": "operator", "User-Agent": "shop" };
  const { headers: sent } = withDefaults(event, { headers }, "id");
  const all = new Map(sent);
  assertEquals([all.get("x-a"), all.get("x-b"), all.get("user-agent")], [
    "operator",
    "event",
    "shop",
  ]);
  assertEquals(all.size, sent.length);
});

Deno.test("a token, a user and a password, and a header of one's own are sent as their standards say", async () => {
  const bearer = await authorized({ bearer: "file:x" }, "abc.def\n");
  assertEquals(bearer.headers, [["authorization", "Bearer abc.def"]]);
  const basic = await authorized({ basic: "file:x" }, "me:pässword");
  assertEquals(basic.headers, [["authorization", "Basic bWU6cMOkc3N3b3Jk"]]);
  const oauth2 = { tokenUrl: "http://b.test/", clientId: "me", clientSecret: "file:x" };
  const token = await authorized({ oauth2 }, "secret");
  assertEquals(token.headers, [["authorization", "Bearer made.by-somebody"]]);
  const own = await authorized({ header: "X-Api-Key", value: "file:x" }, "k3y");
  assertEquals(own.headers, [["x-api-key", "k3y"]]);
});

Deno.test("an event that says who it is from keeps its word", async () => {
  const headers = [["authorization", "Bearer its-own"]] as const;
  assertEquals((await authorized({ bearer: "file:x" }, "ours", headers)).headers, headers);
});

Deno.test("whatever header a secret is in, it is one that no answer shows", async () => {
  const { headers, secrets } = await authorized({ header: "x-plain", value: "file:x" }, "s3cret");
  assert(secretsOf({ headers, ...(secrets && { secrets }) }).includes("s3cret"));
});

Deno.test("a secret that can't be had, or can't be used, is told by its reference and never by itself", async () => {
  const bad: readonly [Auth, string, string][] = [
    [{ bearer: "file:x" }, "two\nlines", "must have at most 64 KiB, without line breaks"],
    [{ basic: "file:x" }, "no-colon", "must be a user, a colon and a password"],
    [{ bearer: "file:x" }, "", "must have from 1 to 1048576 characters, it is empty"],
    [{ bearer: "file:missing" }, "x", "the secret file:missing can't be read: ENOENT"],
  ];
  for (const [auth, secret, why] of bad) {
    const error = await assertRejects(() => authorized(auth, secret), CredentialError, why);
    assert(secret.length < 2 || !error.message.includes(secret));
  }
});

Deno.test("the reference receiver of Standard Webhooks takes what we sign, with each of its secrets", async () => {
  const [old, next] = ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", btoa("another secret, newer")];
  const context = { ...contextOf({ "file:old": old, "file:new": next }), nowMs: Date.now() };
  const sign = { standardWebhooks: ["file:new", "file:old"] };
  const bodies = ['{"a":"é"}', new TextEncoder().encode('{"b":2}'), undefined];
  for (const body of bodies) {
    const { headers } = await withSignature(requestOf({ body }), sign, context);
    const text = body instanceof Uint8Array ? new TextDecoder().decode(body) : body ?? "";
    for (const secret of [old, next]) {
      const verify = () => new Webhook(secret).verify(text, Object.fromEntries(headers));
      if (text !== "") assertEquals(verify(), JSON.parse(text));
    }
    assertEquals(new Map(headers).get("webhook-id"), "msg-1");
    assertEquals(new Map(headers).get("webhook-signature")!.split(" ").length, 2);
  }
  const { headers } = await withSignature(requestOf(), { standardWebhooks: ["file:new"] }, context);
  try {
    new Webhook(old).verify('{"a":"é"}', Object.fromEntries(headers));
    throw new Error("taken with a secret that it was not signed with");
  } catch (error) {
    assertStringIncludes(String(error), "No matching signature");
  }
});

Deno.test("an HMAC of the body is what other tools make of it", async () => {
  const sign: Sign = { hmacSha256: "file:k", header: "X-Hub-Signature-256" };
  const body = "Hello, World!";
  const secret = "It's a Secret to Everybody";
  const headers = [["x-hub-signature-256", "forged"], ["x-a", "1"]] as const;
  const signed = await withSignature(
    requestOf({ body, headers }),
    sign,
    contextOf({ "file:k": secret }),
  );
  // the example of GitHub's documentation of webhooks
  const mac = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  assertEquals(signed.headers, [["x-a", "1"], ["x-hub-signature-256", `sha256=${mac}`]]);
});

Deno.test("a secret is read once a second, so that a changed one counts", async () => {
  let [nowMs, reads, secret] = [0, 0, "one"];
  const clock = { ...realClock, monotonic: () => nowMs };
  const credentials = new Credentials(() => (reads++, secret), clock);
  assertEquals(await Promise.all([credentials.of("r"), credentials.of("r")]), ["one", "one"]);
  secret = "two";
  nowMs = 999;
  assertEquals([await credentials.of("r"), reads], ["one", 1]);
  nowMs = 1_000;
  assertEquals([await credentials.of("r"), reads], ["two", 2]);
});
