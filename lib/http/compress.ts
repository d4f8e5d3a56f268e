/**
 * The step of an attempt that makes a body smaller, RFC 9110, section 8.4.1. It comes before the
 * signature, which is of what is sent.
 *
 * Whether an endpoint takes compressed bodies can't be known before: one that doesn't answers 415
 * (RFC 9110, section 15.5.16), and is sent the same request as it is.
 *
 * @module
 */

import type { Header } from "../event/headers.ts";
import type { Awaitable } from "../runtime/runtime.ts";
import type { HttpRequest } from "./step.ts";

/** What this step can be told. */
export interface CompressOptions {
  /** By what to make bodies smaller. @default not at all */
  readonly compress?: "gzip" | undefined;
  /** Smallest body that is worth it. @default {1024} */
  readonly compressFromBytes?: number | undefined;
}

/** Smallest body that is worth it, unless told otherwise: it fits into a packet anyway. */
export const COMPRESS_FROM_BYTES = 1_024;

/**
 * The request with a smaller body; the same where there is none to be had, and where its event has
 * encoded it already.
 *
 * @param gzip As `Runtime.gzip`.
 */
export async function withCompression(
  request: HttpRequest,
  { compressFromBytes = COMPRESS_FROM_BYTES }: CompressOptions,
  gzip: (bytes: Uint8Array) => Awaitable<Uint8Array>,
): Promise<HttpRequest> {
  const { body, headers } = request;
  if (body === undefined) return request;
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  if (bytes.length < compressFromBytes) return request;
  if (headers.some(([name]) => name === "content-encoding")) return request;
  const compressed = await gzip(bytes);
  if (compressed.length >= bytes.length) return request;
  const encoding: Header = ["content-encoding", "gzip"];
  return { ...request, headers: [...headers, encoding], body: compressed };
}
