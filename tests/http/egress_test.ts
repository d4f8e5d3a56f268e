import { assert, assertEquals } from "@std/assert";
import { Egress, forbidden } from "../../lib/http/egress.ts";

Deno.test("where this process may go is asked once for a destination", () => {
  const asked: string[] = [];
  const egress = new Egress({
    mayReach({ href, hostname }) {
      asked.push(href);
      return hostname === "a.test";
    },
  });
  const allows = (href: string) => {
    const url = new URL(href);
    return egress.allows({ origin: url.origin, label: "" }, url);
  };
  const hrefs = ["http://a.test/1", "http://a.test/2", "http://b.test/1", "http://b.test/2"];
  assertEquals(hrefs.map(allows), [true, true, false, false]);
  assertEquals(asked, ["http://a.test/1", "http://b.test/1"]);
});

Deno.test("what may not be reached is named with its host and port", () => {
  assert(forbidden(new URL("http://user:secret@a.test:81/x")).includes("may not reach a.test:81:"));
});
