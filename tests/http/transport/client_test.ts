/** The client over connections, byte by byte, with an endpoint that does just what it is told. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { answering, END_OF_HEAD, textSink, Wire } from "../../support/wire.ts";

const NO_CONTENT = "HTTP/1.1 204 No Content\r\n\r\n";
const HELLO = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

const told = ({ outcome, reason }: { outcome: string; reason: string }) => `${outcome} ${reason}`;

Deno.test("a request is one write: its line, its host, headers as they are, and the exact body", async () => {
  const requests: string[] = [];
  const wire = new Wire(async (peer) => {
    for (let bytes; (bytes = await peer.receive());) {
      requests.push(String.fromCharCode(...bytes));
      peer.send(NO_CONTENT);
    }
  });
  const url = new URL("http://a.test:8080/p/q?x=%20y");
  await wire.send({ url, headers: [["user-agent", "mine"], ["x-a", "é"]], body: '{"é":"€"}' });
  await wire.send({ url, method: "GET", body: undefined, headers: [["user-agent", "mine"]] });
  await wire.send({ url, body: undefined, headers: [["user-agent", "mine"]] });
  const key = "accept-encoding: identity\r\nidempotency-key: id\r\n";
  const start = " /p/q?x=%20y HTTP/1.1\r\nhost: a.test:8080\r\n";
  const body = String.fromCharCode(...new TextEncoder().encode('{"é":"€"}'));
  assertEquals(requests, [
    `POST${start}${key}content-type: application/json\r\nuser-agent: mine\r\nx-a: é\r\n` +
    `content-length: 12\r\n\r\n${body}`,
    `GET${start}${key}user-agent: mine\r\n\r\n`,
    `POST${start}${key}user-agent: mine\r\ncontent-length: 0\r\n\r\n`,
  ]);
});

Deno.test("a large body arrives as it is, however little of it goes on at once", async () => {
  for (const cut of [1, 7, 1_000, Infinity]) {
    const large = "é€𝄞".repeat(cut === 1 ? 3_000 : 20_000);
    const wire = new Wire(undefined);
    wire.world.network.cut = (length) => Math.min(length, cut);
    const { outcome } = await wire.send({ body: large });
    const [taken] = wire.world.network.taken;
    assertEquals([outcome, taken!.body === large], ["delivered", true]);
  }
});

Deno.test("a connection is used again, the one used last first, and no more are made than needed", async () => {
  const wire = new Wire(answering(NO_CONTENT));
  const attempts = await wire.sendMany(5);
  assertEquals(attempts.map(told), new Array(5).fill("delivered "));
  assertEquals(wire.world.sockets.made, 1);
  assertEquals(Object.keys(attempts[0]!.phases!), ["lookup", "connect", "firstByte"]);
  assertEquals(Object.keys(attempts[1]!.phases!), ["firstByte"]);
});

Deno.test("what is idle for 15 s is closed", async () => {
  const wire = new Wire(answering(NO_CONTENT));
  await wire.send();
  await wire.world.advance(14_000);
  await wire.send();
  assertEquals([wire.world.sockets.made, wire.world.sockets.open], [1, 1]);
  await wire.world.advance(14_900);
  assertEquals(wire.world.sockets.open, 1);
  await wire.world.advance(200);
  assertEquals(wire.world.sockets.open, 0);
  await wire.send();
  assertEquals(wire.world.sockets.made, 2);
});

Deno.test("an idle connection that the endpoint ends, or says something on, is not used again", async () => {
  for (const what of ["end", "reset", "send"] as const) {
    const wire = new Wire(async (peer) => {
      await peer.receiveUntil(`${END_OF_HEAD}{}`);
      peer.send(NO_CONTENT);
      await wire.world.time.sleep(1_000, wire);
      if (what === "send") peer.send("HTTP/1.1 408 Request Timeout\r\n\r\n");
      else peer[what]();
    });
    await wire.send();
    assertEquals(wire.world.sockets.open, 1);
    await wire.world.advance(1_001);
    assertEquals(wire.world.sockets.open, 0);
    assertEquals(told(await wire.send()), "delivered ");
  }
});

Deno.test("a used connection that ends before it answers is no failure: the request is sent once more, over a fresh one", async () => {
  for (const what of ["end", "reset"] as const) {
    const seen: string[] = [];
    const wire = new Wire(async (peer, n) => {
      for (let nth = 0; await peer.receiveUntil(`${END_OF_HEAD}{}`) !== ""; nth++) {
        seen.push(`${n}.${nth}`);
        if (n === 0 && nth === 1) return peer[what]();
        peer.send(NO_CONTENT);
      }
    });
    const attempts = await wire.sendMany(3);
    assertEquals(attempts.map(told), new Array(3).fill("delivered "));
    assertEquals(seen, ["0.0", "0.1", "1.0", "1.1"]);
  }
});

Deno.test("a fresh connection that ends before it answers is a failure, and so is the second one", async () => {
  let requests = 0;
  const wire = new Wire(async (peer, n) => {
    for (let nth = 0; await peer.receiveUntil(`${END_OF_HEAD}{}`) !== ""; nth++) {
      requests++;
      if (n > 0 || nth > 0) return peer.reset();
      peer.send(NO_CONTENT);
    }
  });
  await wire.send();
  const { outcome, reason, reach } = await wire.send();
  assertEquals([outcome, reason, reach, requests], [
    "deferred",
    "the endpoint reset the connection before it answered",
    "unanswered",
    3,
  ]);
});

Deno.test("an answer that has begun is never asked for again", async () => {
  let requests = 0;
  const wire = new Wire(async (peer) => {
    for (let nth = 0; await peer.receiveUntil(`${END_OF_HEAD}{}`) !== ""; nth++) {
      requests++;
      if (nth === 0) peer.send(NO_CONTENT);
      else {
        peer.send("H");
        return peer.end();
      }
    }
  });
  await wire.send();
  const { outcome, reason } = await wire.send();
  assertEquals([outcome, reason, requests], [
    "deferred",
    "the endpoint closed the connection in the middle of its answer's head",
    2,
  ]);
});

Deno.test("no connection is used again that has bytes nobody asked for, or isn't to be", async () => {
  const answers = [
    `${NO_CONTENT}x`,
    `${HELLO}x`,
    `${NO_CONTENT}${NO_CONTENT}`,
    `${NO_CONTENT}`.repeat(64),
    "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nconnection: foo, Close\r\n\r\n",
    "HTTP/1.0 204 No Content\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello",
  ];
  for (const answer of answers) {
    const wire = new Wire(answering(answer));
    const attempts = await wire.sendMany(3);
    const outcome = answer.includes("304") ? "deferred" : "delivered";
    assertEquals(attempts.map(({ outcome }) => outcome), new Array(3).fill(outcome), answer);
    assertEquals([wire.world.sockets.made, wire.world.sockets.open], [3, 0], answer);
  }
  const wire = new Wire(answering("HTTP/1.0 204 No Content\r\nconnection: Keep-Alive\r\n\r\n"));
  await wire.sendMany(3);
  assertEquals(wire.world.sockets.made, 1);
});

Deno.test("an answer that comes before the request was taken is the answer, and the rest is still written", async () => {
  const body = "x".repeat(50_000);
  const wire = new Wire(async (peer) => {
    for (let left = 0;;) {
      const bytes = await peer.receive();
      if (bytes === null) return;
      if (left <= 0) {
        peer.send(NO_CONTENT);
        left = new TextDecoder().decode(bytes).indexOf(END_OF_HEAD) + 4 + body.length;
      }
      left -= bytes.length;
    }
  });
  let writes = 0;
  wire.world.network.cut = (length) => ++writes % 3 === 0 ? length : Math.ceil(length / 2);
  const attempts = await wire.sendMany(3, { body });
  assertEquals(attempts.map(({ outcome }) => outcome), new Array(3).fill("delivered"));
});

Deno.test("up to eight answers that are none are passed over, and no more, whatever is in them", async () => {
  const interim = (count: number) =>
    "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\ncontent-length: 9\r\n\r\n".repeat(count);
  for (const [count, outcome] of [[0, "delivered"], [8, "delivered"], [9, "deferred"]] as const) {
    const wire = new Wire(answering(interim(count) + NO_CONTENT));
    const attempt = await wire.send();
    assertEquals(attempt.outcome, outcome, `${count}`);
    if (count === 9) assertStringIncludes(attempt.reason, "after at most 8 of 1xx");
  }
});

Deno.test("what an endpoint sends without end ends by itself, and takes no memory", async () => {
  const endless: Record<string, [start: string, again: string, reason: string]> = {
    "1xx": ["", "HTTP/1.1 100 Continue\r\n\r\n", "at most 8 of 1xx"],
    "header lines": ["HTTP/1.1 200 OK\r\n", "x: y\r\n", "65536 bytes long"],
    "one header": ["HTTP/1.1 200 OK\r\nx: ", "y".repeat(1_000), "65536 bytes long"],
    "a status line": ["HTTP/1.1 200 ", "O".repeat(1_000), "65536 bytes long"],
  };
  for (const [what, [start, again, reason]] of Object.entries(endless)) {
    let sent = 0;
    const wire = new Wire(async (peer) => {
      await peer.receiveUntil(`${END_OF_HEAD}{}`);
      for (peer.send(start); !peer.isClosed && sent < 1e6; sent += again.length) {
        peer.send(again);
        await wire.world.time.sleep(0, wire);
      }
    });
    const attempt = await wire.send();
    assertEquals(attempt.outcome, "deferred", what);
    assertStringIncludes(attempt.reason, reason, what);
    assert(sent < 200_000, `${what}: ${sent} bytes`);
  }
});

Deno.test("a head of 1,000 headers is read, one more is not", async () => {
  for (const [count, outcome] of [[1_000, "delivered"], [1_001, "deferred"]] as const) {
    const head = `HTTP/1.1 204 No Content\r\n${"a: b\r\n".repeat(count)}\r\n`;
    assertEquals((await new Wire(answering(head)).send()).outcome, outcome);
  }
});

Deno.test("without an answer in time the reason says how far it came", async () => {
  const cases: [script: string, options: { timeoutMs: number }, reason: string][] = [
    ["silent", { timeoutMs: 30_000 }, "no answer within 30 s: request sent, nothing received"],
    [
      "a status line",
      { timeoutMs: 500 },
      "no answer within 500 ms: request sent, its answer began and didn't end",
    ],
  ];
  for (const [script, options, reason] of cases) {
    const wire = new Wire(async (peer) => {
      await peer.receiveUntil(`${END_OF_HEAD}{}`);
      if (script !== "silent") peer.send("HTTP/1.1 200 OK\r\n");
    }, { options });
    const attempt = await wire.send();
    assertEquals([attempt.reason, attempt.isTimeout, attempt.reach], [reason, true, "unanswered"]);
    assertEquals([attempt.ms, wire.world.sockets.open], [options.timeoutMs, 0]);
  }
});

Deno.test("a success whose body nobody wants stands, whatever becomes of it; one that is kept must be whole", async () => {
  const broken = [
    "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloX",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
  ];
  for (const answer of broken) {
    const wire = new Wire(async (peer) => {
      await peer.receiveUntil(END_OF_HEAD);
      peer.send(answer);
      peer.end();
    });
    assertEquals((await wire.send()).outcome, "delivered", answer);
    const get = await wire.send({ method: "GET", body: undefined }, textSink());
    assertEquals(get.outcome, "deferred", answer);
    assert(/middle of its answer's body|isn't HTTP/.test(get.reason), get.reason);
  }
});

Deno.test("2xx, and then silence: delivered when time is over, unless the body is to be kept", async () => {
  const wire = new Wire(async (peer) => {
    await peer.receiveUntil(END_OF_HEAD);
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel");
  });
  const post = await wire.send();
  assertEquals([post.outcome, post.ms], ["delivered", 30_000]);
  const get = await wire.send({ method: "GET", body: undefined }, textSink());
  assertEquals([get.outcome, get.isTimeout, get.ms], ["deferred", true, 30_000]);
});

Deno.test("a byte a second, and the time limit holds", async () => {
  const wire = new Wire(async (peer) => {
    await peer.receiveUntil(END_OF_HEAD);
    for (const character of `HTTP/1.1 200 OK\r\nx: ${"y".repeat(100)}\r\n\r\n`) {
      peer.send(character);
      await wire.world.time.sleep(1_000, wire);
    }
  });
  const { outcome, ms } = await wire.send();
  assertEquals([outcome, ms], ["deferred", 30_000]);
});

Deno.test("abortAll() ends the connections of what is in flight", async () => {
  const wire = new Wire(() => {});
  const sending = wire.send();
  await wire.world.advance(5);
  wire.sender.abortAll();
  assertEquals([(await sending).outcome, wire.world.sockets.open], ["aborted", 0]);
});
