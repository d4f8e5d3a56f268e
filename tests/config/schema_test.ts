import { assert, assertEquals } from "@std/assert";
import { CONSUMER_OPTIONS, type ConsumerSettings } from "../../lib/config/consumer.ts";
import { text } from "../../lib/config/kinds.ts";
import { type AnyOption, COMMANDS, type OptionsOf } from "../../lib/config/option.ts";
import { defaultOf, OPTIONS } from "../../lib/config/schema.ts";

const CONSUMER = Object.entries<AnyOption>(CONSUMER_OPTIONS);

Deno.test("an option that a program knows and the schema doesn't is an error of the compiler", () => {
  type More = ConsumerSettings & { readonly xyzzy: string };
  // @ts-expect-error xyzzy isn't declared
  const missing: OptionsOf<More> = CONSUMER_OPTIONS;
  // @ts-expect-error its value is a number
  const wrong: OptionsOf<ConsumerSettings>["pollMs"]["kind"] = text("DURATION");
  assert(missing && wrong);
});

Deno.test("no two options of one command can be written alike, and each name takes a value or none", () => {
  const takes = new Map<string, string>();
  for (const command of COMMANDS) {
    const options = OPTIONS.filter(({ commands }) => commands.includes(command));
    const written = options.flatMap(({ name, aliases = [] }) => [`--${name}`, ...aliases]);
    assertEquals(new Set(written).size, written.length, command);
    for (const spelling of written) {
      assert(/^(?:--?[a-z][a-zA-Z-]+|-[a-zA-Z])$/.test(spelling), spelling);
    }
    for (const { name, kind } of options) {
      assertEquals(takes.get(name) ?? kind.takes, kind.takes, name);
      takes.set(name, kind.takes);
    }
  }
});

Deno.test("what an option needs or excludes is an option", () => {
  const names = OPTIONS.map(({ name }) => name);
  for (const { needs, excludes = [] } of OPTIONS) {
    for (const other of [needs ?? "help", ...excludes]) assert(names.includes(other), other);
  }
});

Deno.test("the name of a number in a program ends in its unit", () => {
  const unitOf = new Map([["DURATION", "Ms"], ["SIZE", "Bytes"], ["N/s", "PerSecond"]]);
  for (const [key, { kind: { valueName } }] of CONSUMER) {
    assert(key.endsWith(unitOf.get(valueName) ?? ""), key);
  }
});

Deno.test("a default in words is there where it is needed, and true where it is a value", () => {
  for (const option of OPTIONS) {
    const { name, kind, default: standard, defaultText } = option;
    if (typeof standard === "function") assert(defaultText !== undefined, name);
    if (kind.valueName !== "DURATION" || typeof standard !== "number") continue;
    assertEquals(kind.read(defaultOf(option)), standard, name);
  }
});

Deno.test("help is one line, and leaves the default to the schema", () => {
  for (const { name, help } of OPTIONS) assert(!/\n|\.$|default/.test(help), `${name}: ${help}`);
});

Deno.test("the documented defaults of ConsumerOptions are those of the schema", () => {
  const source = Deno.readTextFileSync(new URL("../../lib/config/consumer.ts", import.meta.url));
  const members = source.matchAll(/\/\*\*((?:(?!\*\/)[^])*)\*\/\s*readonly (\w+)\?/g);
  const documented = new Map([...members].map(([, comment, key]) => {
    const text = comment!.replace(/\s*\n\s*\*\s*/g, " ");
    return [key!, /@default \{([^}]*)\}/.exec(text)?.[1]?.replaceAll("_", "")];
  }));
  for (const [key, { default: standard }] of CONSUMER) {
    const expected = standard instanceof Map
      ? "none"
      : typeof standard === "function"
      ? "timeoutMs + 30000"
      : String(standard);
    assertEquals(documented.get(key), expected, key);
  }
});
