/** Rules of an endpoint for tests: everybody's events go to one URL. */

import { type AcceptRules, EVENTS_PATH } from "../../lib/accept/endpoint.ts";

/** The rules, but for what a test wants otherwise. */
export function acceptRules(forwardTo: string, more: Partial<AcceptRules> = {}): AcceptRules {
  return {
    routes: new Map([[EVENTS_PATH, forwardTo]]),
    origins: [],
    maxBodyBytes: Infinity,
    tokens: () => [],
    admit: () => 0,
    ...more,
  };
}
