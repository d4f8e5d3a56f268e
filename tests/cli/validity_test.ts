/** Until when certificates are valid, as openssl has it. */

import { assertEquals } from "@std/assert";
import { endsOfValidity } from "../../lib/cli/validity.ts";
import { Authority, isInstalled } from "../support/certificates.ts";
import { tempDir } from "../support/temp_dir.ts";

const ignore = !isInstalled("openssl");
const skipped = ignore ? " (skipped: openssl is not installed)" : "";

Deno.test({
  name: `the end of every certificate of a file is what openssl says${skipped}`,
  ignore,
  async fn() {
    await using dir = await tempDir();
    const ours = await Authority.make(dir.path, "ours");
    const ends = ["20201102000000Z", "20491231235959Z", "20500101000000Z", "22990203040506Z"];
    let bundle = "some words before\n";
    for (const [n, end] of ends.entries()) {
      bundle += (await ours.issue(`c${n}`, undefined, end)).cert + "and between\r\n";
    }
    assertEquals(endsOfValidity(bundle).map((ms) => new Date(ms).toISOString()), [
      "2020-11-02T00:00:00.000Z",
      "2049-12-31T23:59:59.000Z",
      "2050-01-01T00:00:00.000Z",
      "2299-02-03T04:05:06.000Z",
    ]);
  },
});

Deno.test("what is no certificate has no end, and hurts nobody", () => {
  const begin = "-----BEGIN CERTIFICATE-----";
  const end = "-----END CERTIFICATE-----";
  const bodies = ["", "AAAA", "MIIB", "MAA=", "====", "MIQ=", "MIT/////", btoa("\x30\x02\x30\x00")];
  for (const body of bodies) assertEquals(endsOfValidity(`${begin}\n${body}\n${end}`), [], body);
  assertEquals(endsOfValidity("nothing"), []);
});
