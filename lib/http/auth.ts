/**
 * The step of an attempt that tells the endpoint who we are.
 *
 * | given | header |
 * | --- | --- |
 * | `{ bearer: REF }` | `authorization: Bearer <secret>`, RFC 6750 |
 * | `{ basic: REF }` | `authorization: Basic <Base64 of the secret>`, RFC 7617 |
 * | `{ header: NAME, value: REF }` | `<name>: <secret>` |
 *
 * A header that the event sets itself stays as it is.
 *
 * @module
 */

import type { Header } from "../event/headers.ts";
import { CredentialError } from "./credentials.ts";
import type { HttpRequest, StepContext } from "./step.ts";

/** How to tell who we are: references to secrets, see `credentials.ts`. */
export type Auth =
  | { readonly bearer: string }
  | { readonly basic: string }
  | { readonly header: string; readonly value: string };

/** What this step can be told. */
export interface AuthOptions {
  /** Who we are. @default nothing is told */
  readonly auth?: Auth | undefined;
}

/** What a header's value may hold, RFC 9110, section 5.5. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]{1,65536}$/;

/**
 * The request with its credentials.
 *
 * @throws {CredentialError} If the secret can't be had, or can't stand in a header.
 */
export async function withAuth(
  request: HttpRequest,
  auth: Auth,
  { credentials }: StepContext,
): Promise<HttpRequest> {
  const [name, reference] = "header" in auth
    ? [auth.header.toLowerCase(), auth.value]
    : ["authorization", "bearer" in auth ? auth.bearer : auth.basic];
  if (request.headers.some(([own]) => own === name)) return request;
  const secret = await credentials.of(reference);
  const value = "bearer" in auth
    ? `Bearer ${secret}`
    : "basic" in auth
    ? `Basic ${base64(secret, reference)}`
    : secret;
  if (!VALUE.test(value)) {
    throw new CredentialError(
      `the secret ${reference} must have at most 64 KiB, without line breaks, control characters ` +
        "and characters above U+00FF",
    );
  }
  const header: Header = [name, value];
  return {
    ...request,
    headers: [...request.headers, header],
    secrets: [...request.secrets ?? [], secret, value],
  };
}

function base64(userAndPassword: string, reference: string): string {
  if (!userAndPassword.includes(":")) {
    throw new CredentialError(`the secret ${reference} must be a user, a colon and a password`);
  }
  const bytes = new TextEncoder().encode(userAndPassword);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
