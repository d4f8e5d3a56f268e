/**
 * How much a class needs to do its work. Its collaborators are the classes and interfaces of other
 * modules of ours in the types of its fields and of its constructor's parameters. An interface of
 * the same module, or one named `…Parts`, is a list of them and counts as its members. What a field
 * makes for itself (`= new Suspects()`) is the class's inside; what is plain doesn't count either:
 * {@linkcode PLAIN}, aliases, functions, what the language has.
 *
 * @module
 */

import { codeOf, target } from "./source.ts";

/** Most collaborators of a class. */
export const MOST_COLLABORATORS = 7;

/** Most lines of a constructor. */
export const LONGEST_CONSTRUCTOR = 45;

/** Interfaces and classes that aren't collaborators: data, settings, time, a place to write. */
const PLAIN = new Set([
  "Candidate",
  "ClaimedName",
  "ClientInvocation",
  "Clock",
  "ConsumerOptions",
  "ConsumerSettings",
  "DirEntry",
  "DiskFailure",
  "EndpointOptions",
  "LaneLimits",
  "ListenAddress",
  "Live",
  "LiveOfDestinations",
  "OwnerFile",
  "Prepared",
  "Stat",
  "StoreLimits",
  "StoreOptions",
  "Taken",
]);

interface Module {
  readonly path: string;
  readonly code: string;
}

type Find = (path: string) => Module;

/** Modules without their comments, each read once. */
function finder(read: (path: string) => string): Find {
  const found = new Map<string, Module>();
  return (path) => {
    let module = found.get(path);
    if (!module) found.set(path, module = { path, code: codeOf(read(path)) });
    return module;
  };
}

/** The module a name is imported from, and what it is called there. */
function originOf({ path, code }: Module, name: string): [path: string, name: string] | undefined {
  for (const [, names, specifier] of code.matchAll(/import\b([^;"']*?)from\s*"([^"]+)"/g)) {
    const original = new RegExp(`(\\w+)\\s+as\\s+${name}\\b`).exec(names!)?.[1] ??
      new RegExp(`\\b(${name})\\b(?!\\s+as\\b)`).exec(names!)?.[1];
    const file = target(path, specifier!);
    if (original !== undefined) return file === undefined ? undefined : [file, original];
  }
  return undefined;
}

/** From the opening of a bracket to its end, both included. */
function bracketed(code: string, start: number): string {
  let depth = 0;
  for (let at = start; at < code.length; at++) {
    if ("([{".includes(code[at]!)) depth++;
    if (")]}".includes(code[at]!) && --depth === 0) return code.slice(start, at + 1);
  }
  return code.slice(start);
}

function bodyOf({ code }: Module, kind: "class" | "interface", name: string): string | undefined {
  const found = new RegExp(`^(?:export )?(?:abstract )?${kind} ${name}\\b[^\\n]*?(?=\\{)`, "m")
    .exec(code);
  return found ? bracketed(code, found.index + found[0].length) : undefined;
}

/** Of a text with types, the collaborators that are named in it. */
function named(module: Module, types: string, find: Find, seen: ReadonlySet<string>): string[] {
  return [...types.matchAll(/\b[A-Z]\w*/g)].flatMap(([name]) => {
    const [path, original] = originOf(module, name) ?? [module.path, name];
    if (seen.has(original) || PLAIN.has(original)) return [];
    const isOwn = path === module.path;
    const home = isOwn ? module : find(path);
    if (isOwn || original.endsWith("Parts")) {
      const members = bodyOf(home, "interface", original) ?? "";
      return named(home, members, find, new Set([...seen, original]));
    }
    const isThere = bodyOf(home, "class", original) ?? bodyOf(home, "interface", original);
    return isThere === undefined ? [] : [original];
  });
}

const CONSTRUCTOR = /^\s*(?:private |protected )?constructor(?=\()/;

/** The members of a class: `deno fmt` indents them by two. */
function membersOf(body: string): string[] {
  return body.split(/\n(?= {2}[^\s}])/).slice(1);
}

/** What of a member has types that count. */
function typesOf(member: string): string {
  const constructor = CONSTRUCTOR.exec(member);
  if (constructor) return bracketed(member, constructor[0].length);
  const field = /^\s*(?:(?:private|protected|static|override|declare|readonly) )*#?\w+[?!]?(?=:| =)/
    .exec(member);
  if (!field) return "";
  return member.slice(field[0].length).split(/ =(?!>)/)[0]!;
}

/** What is too big about the classes of modules. */
export function bigClasses(paths: readonly string[], read: (path: string) => string): string[] {
  const find = finder(read);
  return paths.map(find).flatMap((module) => {
    const classes = module.code.matchAll(/^(?:export )?(?:abstract )?class (\w+)/gm);
    return [...classes].flatMap(([, name]) => faultsOf(module, name!, find));
  });
}

function faultsOf(module: Module, name: string, find: Find): string[] {
  const found: string[] = [];
  const members = membersOf(bodyOf(module, "class", name)!);
  const types = members.map(typesOf).join("\n");
  const all = new Set(named(module, types, find, new Set([name])));
  if (all.size > MOST_COLLABORATORS) {
    const most = `${MOST_COLLABORATORS} collaborators`;
    found.push(`${module.path}: ${name} must work with at most ${most}: ${[...all].join(", ")}`);
  }
  for (const member of members.filter((member) => CONSTRUCTOR.test(member))) {
    const lines = member.slice(0, member.lastIndexOf("\n  }") + 4).split("\n");
    if (lines.length > LONGEST_CONSTRUCTOR) {
      found.push(`${module.path}: the constructor of ${name} must fit on a screen`);
    }
  }
  return found;
}
