// Puts the event on standard input on a queue:  node put.mjs BASE < event.json
import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { argv, stdout } from "node:process";

function put(base, event) {
  const name = `${randomUUID()}.json`; // unique for ever
  const file = fs.openSync(`${base}/tmp/${name}`, "wx");
  fs.writeFileSync(file, event);
  fs.fsyncSync(file); // the bytes are on the disk ...
  fs.closeSync(file);
  fs.linkSync(`${base}/tmp/${name}`, `${base}/new/${name}`); // ... before the name is there
  fs.unlinkSync(`${base}/tmp/${name}`);
  const folder = fs.openSync(`${base}/new`);
  fs.fsyncSync(folder); // the name is on the disk too: from here on it is promised
  fs.closeSync(folder);
  return name;
}

stdout.write(`${put(argv[2], fs.readFileSync(0))}\n`);
