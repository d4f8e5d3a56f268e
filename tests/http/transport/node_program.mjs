// Reads answers, one JSON a line, with Node's own HTTP client, and prints what it made of each.
import http from "node:http";
import readline from "node:readline";
import { Duplex } from "node:stream";

function read({ method, text }) {
  return new Promise((resolve) => {
    const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    socket.setTimeout =
      socket.setNoDelay =
      socket.setKeepAlive =
      socket.ref =
      socket.unref =
        () => socket;
    const request = http.request({ method, host: "a.test", createConnection: () => socket });
    request.on("error", (error) => resolve({ error: error.code ?? error.message }));
    request.on("response", (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", (error) => resolve({ error: error.code ?? error.message }));
      response.on("end", () => {
        if (!response.complete) return resolve({ error: "incomplete" });
        const { statusCode: status, statusMessage: statusText, rawHeaders } = response;
        resolve({ status, statusText, rawHeaders, body: Buffer.concat(chunks).toString("latin1") });
      });
    });
    request.end();
    socket.push(Buffer.from(text, "latin1"));
    socket.push(null);
  });
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await read(JSON.parse(line)))}\n`);
}
