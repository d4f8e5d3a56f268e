/**
 * The step of an attempt that signs it, so that the endpoint can tell that it is ours and not an
 * old one sent again. It comes last: what is signed are the bytes that are sent.
 *
 * | given | headers |
 * | --- | --- |
 * | `{ standardWebhooks: [REF…] }` | `webhook-id`, `webhook-timestamp`, `webhook-signature` |
 * | `{ hmacSha256: REF, header: NAME }` | `<name>: sha256=<hex HMAC-SHA-256 of the body>` |
 *
 * The first is https://www.standardwebhooks.com, with a signature for each secret, over the bytes
 * that are sent: those of a compressed body too ("the payload sent is the same as the payload
 * signed").
 *
 * They replace headers of these names that the event sets.
 *
 * @module
 */

import type { Header } from "../event/headers.ts";
import { CredentialError } from "./credentials.ts";
import type { HttpRequest, StepContext } from "./step.ts";

/** How to sign: references to secrets, see `credentials.ts`. */
export type Sign =
  | { readonly standardWebhooks: readonly string[] }
  | { readonly hmacSha256: string; readonly header: string };

/** What this step can be told. */
export interface SignOptions {
  /** How to sign. @default not at all */
  readonly sign?: Sign | undefined;
}

const encoder = new TextEncoder();

/**
 * The request with its signature.
 *
 * @throws {CredentialError} If a secret can't be had, or is none of its kind.
 */
export async function withSignature(
  request: HttpRequest,
  sign: Sign,
  context: StepContext,
): Promise<HttpRequest> {
  const headers = "hmacSha256" in sign
    ? await ofBody(request, sign.hmacSha256, sign.header.toLowerCase(), context)
    : await standard(request, sign.standardWebhooks, context);
  const names = new Set(headers.map(([name]) => name));
  const others = request.headers.filter(([name]) => !names.has(name));
  return { ...request, headers: [...others, ...headers] };
}

async function standard(
  request: HttpRequest,
  references: readonly string[],
  { id, nowMs, credentials, hmacSha256 }: StepContext,
): Promise<readonly Header[]> {
  const messageId = id.replaceAll(".", "~"); // which is in no id; a dot ends it
  const timestamp = String(Math.floor(nowMs / 1_000));
  const message = joined(encoder.encode(`${messageId}.${timestamp}.`), bytesOf(request));
  const signatures = await Promise.all(references.map(async (reference) => {
    const key = keyOf(await credentials.of(reference), reference);
    return `v1,${btoa(String.fromCharCode(...await hmacSha256(key, message)))}`;
  }));
  return [
    ["webhook-id", messageId],
    ["webhook-timestamp", timestamp],
    ["webhook-signature", signatures.join(" ")],
  ];
}

/** The key of a secret such as `whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD`. */
function keyOf(secret: string, reference: string): Uint8Array {
  const text = secret.startsWith("whsec_") ? secret.slice("whsec_".length) : secret;
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    throw new CredentialError(
      `the secret ${reference} must be Base64, with whsec_ before it or without`,
    );
  }
}

async function ofBody(
  request: HttpRequest,
  reference: string,
  name: string,
  { credentials, hmacSha256 }: StepContext,
): Promise<readonly Header[]> {
  const key = encoder.encode(await credentials.of(reference));
  const mac = await hmacSha256(key, bytesOf(request));
  const hex = Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [[name, `sha256=${hex}`]];
}

/** The bytes that are sent. */
function bytesOf({ body }: HttpRequest): Uint8Array {
  return typeof body === "string" ? encoder.encode(body) : body ?? new Uint8Array();
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
