/** Compressed bodies: which are, what is signed then, and endpoints that don't take them. */

import { assert, assertEquals } from "@std/assert";
import { Webhook } from "standardwebhooks";
import { Sender, type SenderOptions } from "../../lib/http/sender.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { startAuthorizationServer } from "../support/authorization_server.ts";
import { type Answer, startEndpoint, type Taken } from "../support/endpoint.ts";

const BODY = JSON.stringify({ text: "é".repeat(1_000) });

/** An endpoint, and a sender that compresses what it sends there. */
function start(answer?: Answer, more: Partial<SenderOptions> = {}) {
  const endpoint = startEndpoint(answer);
  const options: SenderOptions = {
    timeoutMs: 10_000,
    onStatus: new Map(),
    compress: "gzip",
    ...more,
  };
  const sender = new Sender(denoRuntime(), { of: () => options }, () => btoa("planted-secret"));
  const url = new URL(endpoint.url);
  return {
    taken: endpoint.taken,
    send: (body: string = BODY, headers: readonly (readonly [string, string])[] = []) =>
      sender.send({ url, method: "POST", headers, body }, "the-id"),
    async [Symbol.asyncDispose]() {
      sender.close();
      await endpoint[Symbol.asyncDispose]();
    },
  };
}

const encodingOf = ({ headers }: Taken) => headers.get("content-encoding");

async function gunzipped({ bytes }: Taken): Promise<string> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).text();
}

Deno.test("a body of some size is sent compressed, by either transport, and is what it was", async () => {
  for (const transport of ["sockets", "fetch"] as const) {
    await using endpoint = start(undefined, { transport });
    assertEquals((await endpoint.send()).outcome, "delivered");
    const [taken] = endpoint.taken as [Taken];
    assertEquals(encodingOf(taken), "gzip");
    assert(taken.bytes.length < 200);
    assertEquals(await gunzipped(taken), BODY);
    assertEquals(taken.headers.get("content-length"), String(taken.bytes.length));
  }
});

Deno.test("what is small, doesn't become smaller or is encoded already is sent as it is", async () => {
  await using endpoint = start(undefined, { compressFromBytes: 2_000 });
  const noise = crypto.getRandomValues(new Uint8Array(4_000));
  await endpoint.send("é".repeat(999));
  await endpoint.send(Array.from(noise, (byte) => String.fromCharCode(byte & 0x7f)).join(""));
  await endpoint.send(BODY, [["content-encoding", "x-own"]]);
  await endpoint.send("é".repeat(1_000));
  assertEquals(endpoint.taken.map(encodingOf), [null, "gzip", "x-own", "gzip"]);
});

Deno.test("what is signed are the bytes that are sent", async () => {
  await using endpoint = start(undefined, { sign: { standardWebhooks: ["file:key"] } });
  await endpoint.send();
  const [{ headers, bytes }] = endpoint.taken as [Taken];
  // the reference receiver takes text; what is signed holds bytes: as Latin-1 both are the same
  const { signature } = await signatureOf(headers, bytes);
  assertEquals(headers.get("webhook-signature"), signature);
  assertEquals(headers.get("idempotency-key"), "the-id");
  const text = await gunzipped(endpoint.taken[0]!);
  let isTaken = true;
  try {
    new Webhook(btoa("planted-secret")).verify(text, Object.fromEntries(headers));
  } catch {
    isTaken = false;
  }
  assert(!isTaken, "nor the text that it was made of");
});

async function signatureOf(headers: Headers, body: Uint8Array<ArrayBuffer>) {
  const start = `${headers.get("webhook-id")}.${headers.get("webhook-timestamp")}.`;
  const message = await new Blob([start, body]).bytes();
  const key = new TextEncoder().encode("planted-secret");
  const mac = await denoRuntime().hmacSha256(key, message);
  return { signature: `v1,${btoa(String.fromCharCode(...mac))}` };
}

Deno.test("an endpoint that doesn't take compressed bodies gets them as they are, in the same attempt and from then on", async () => {
  await using endpoint = start((one) =>
    new Response(null, { status: encodingOf(one) === "gzip" ? 415 : 204 })
  );
  const attempts = [await endpoint.send(), await endpoint.send(), await endpoint.send()];
  assertEquals(attempts.map(({ outcome, refusesCompression }) => [outcome, refusesCompression]), [
    ["delivered", true],
    ["delivered", undefined],
    ["delivered", undefined],
  ]);
  assertEquals(endpoint.taken.map(encodingOf), ["gzip", null, null, null]);
  assertEquals(
    new Set(endpoint.taken.map(({ headers }) => headers.get("idempotency-key"))).size,
    1,
  );
});

Deno.test("an endpoint that doesn't take the event in either form refuses the event, not the form", async () => {
  await using endpoint = start(({ bytes }, taken) =>
    new Response(null, { status: taken.length <= 2 || bytes.length === 0 ? 415 : 204 })
  );
  const { outcome, status, refusesCompression } = await endpoint.send();
  assertEquals([outcome, status, refusesCompression], ["refused", 415, undefined]);
  await endpoint.send();
  assertEquals(endpoint.taken.map(encodingOf), ["gzip", null, "gzip"]);
});

Deno.test("a token that has become old and a body that is compressed are each mended in one attempt", async () => {
  await using server = startAuthorizationServer();
  const oauth2 = { tokenUrl: server.url, clientId: "me", clientSecret: "file:secret" };
  server.state.client = btoa(`me:${encodeURIComponent(btoa("planted-secret"))}`);
  await using endpoint = start((one) => {
    const isGood = one.headers.get("authorization") === "Bearer planted-token-2";
    return new Response(null, { status: !isGood ? 401 : encodingOf(one) === "gzip" ? 415 : 204 });
  }, { auth: { oauth2 } });
  const { outcome, refusesCompression } = await endpoint.send();
  assertEquals([outcome, refusesCompression], ["delivered", true]);
  assertEquals(endpoint.taken.length, 3);
});
