/**
 * The step of an attempt that tells the endpoint who we are.
 *
 * | given | header |
 * | --- | --- |
 * | `{ bearer: REF }` | `authorization: Bearer <secret>`, RFC 6750 |
 * | `{ basic: REF }` | `authorization: Basic <Base64 of the secret>`, RFC 7617 |
 * | `{ header: NAME, value: REF }` | `<name>: <secret>` |
 * | `{ oauth2: … }` | `authorization: Bearer <token>`, see `oauth2.ts` |
 *
 * A header that the event sets itself stays as it is.
 *
 * @module
 */

import type { Header } from "../event/headers.ts";
import { basicCredential } from "./basic.ts";
import { CredentialError } from "./credentials.ts";
import type { OAuth2 } from "./oauth2.ts";
import type { HttpRequest, StepContext } from "./step.ts";

/** How to tell who we are: references to secrets, see `credentials.ts`. */
export type Auth =
  | { readonly bearer: string }
  | { readonly basic: string }
  | { readonly header: string; readonly value: string }
  | { readonly oauth2: OAuth2 };

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
  context: StepContext,
): Promise<HttpRequest> {
  const name = "header" in auth ? auth.header.toLowerCase() : "authorization";
  if (request.headers.some(([own]) => own === name)) return request;
  const { secret, value } = await shownBy(auth, context);
  const header: Header = [name, value];
  return {
    ...request,
    headers: [...request.headers, header],
    secrets: [...request.secrets ?? [], secret, value],
  };
}

/** The secret, and the header's value that shows it. */
async function shownBy(
  auth: Auth,
  { credentials, token }: StepContext,
): Promise<{ readonly secret: string; readonly value: string }> {
  if ("oauth2" in auth) {
    const secret = await token();
    return { secret, value: `Bearer ${secret}` };
  }
  const reference = "bearer" in auth ? auth.bearer : "basic" in auth ? auth.basic : auth.value;
  const secret = await credentials.of(reference);
  const value = "bearer" in auth
    ? `Bearer ${secret}`
    : "basic" in auth
    ? `Basic ${basicOf(secret, reference)}`
    : secret;
  if (VALUE.test(value)) return { secret, value };
  throw new CredentialError(
    `the secret ${reference} must have at most 64 KiB, without line breaks, control characters ` +
      "and characters above U+00FF",
  );
}

function basicOf(userAndPassword: string, reference: string): string {
  if (userAndPassword.includes(":")) return basicCredential(userAndPassword);
  throw new CredentialError(`the secret ${reference} must be a user, a colon and a password`);
}
