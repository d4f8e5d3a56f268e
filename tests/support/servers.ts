/**
 * Real HTTP servers, as processes on loopback ports of their own.
 *
 * @module
 */

import { isInstalled, type Pair } from "./certificates.ts";

/** A server that runs. */
export interface RunningServer extends AsyncDisposable {
  readonly url: string;
}

/** A port that was free a moment ago. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function answers(port: number): Promise<boolean> {
  try {
    using _ = await Deno.connect({ hostname: "127.0.0.1", port });
    return true;
  } catch {
    return false;
  }
}

async function run(
  command: string,
  args: readonly string[],
  port: number,
  scheme = "http",
): Promise<RunningServer> {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  for (let tries = 0; !await answers(port); tries++) {
    if (tries > 500) throw new Error(`${command} doesn't start`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return {
    url: `${scheme}://${scheme === "https" ? "localhost" : "127.0.0.1"}:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

/**
 * How to start a server in a folder of its own; its `/` answers 200, its `/none` 404. With a file
 * of authorities it wants a certificate that one of them has signed.
 */
export interface ServerKind {
  readonly name: string;
  readonly isInstalled: boolean;
  start(dir: string, tls?: Pair, clientCa?: string): Promise<RunningServer>;
}

const NODE_PROGRAM = `
const http = require("node:http");
http.createServer((request, response) => {
  request.resume().on("end", () => {
    response.statusCode = request.url === "/" ? 200 : 404;
    response.end("node");
  });
}).listen(Number(process.argv[1]), "127.0.0.1");
`;

/** The servers that are tried. */
export const SERVERS: readonly ServerKind[] = [
  {
    name: "nginx",
    isInstalled: isInstalled("nginx"),
    async start(dir, tls, clientCa) {
      const port = freePort();
      const verify = clientCa ? ` ssl_client_certificate ${clientCa}; ssl_verify_client on;` : "";
      const ssl = tls
        ? `ssl_certificate ${tls.certFile}; ssl_certificate_key ${tls.keyFile};${verify}`
        : "";
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((name) => `${name}_temp_path ${dir}/${name};`).join(" ");
      await Deno.writeTextFile(
        `${dir}/nginx.conf`,
        `daemon off; error_log ${dir}/error.log; pid ${dir}/nginx.pid; events {} http { access_log off; ${temporary}
          server { listen 127.0.0.1:${port}${tls ? " ssl" : ""}; ${ssl}
            location = / { return 200 "nginx"; } location / { return 404; } } }`,
      );
      return await run(
        "nginx",
        ["-c", `${dir}/nginx.conf`, "-e", `${dir}/error.log`],
        port,
        tls && "https",
      );
    },
  },
  {
    name: "lighttpd",
    isInstalled: isInstalled("lighttpd"),
    async start(dir) {
      const port = freePort();
      await Deno.writeTextFile(`${dir}/index.html`, "lighttpd");
      await Deno.writeTextFile(
        `${dir}/lighttpd.conf`,
        `server.document-root = "${dir}"\nserver.port = ${port}\nserver.bind = "127.0.0.1"\n` +
          `index-file.names = ("index.html")\nmimetype.assign = (".html" => "text/html")\n`,
      );
      return await run("lighttpd", ["-D", "-f", `${dir}/lighttpd.conf`], port);
    },
  },
  {
    name: "Apache",
    isInstalled: isInstalled("apache2"),
    async start(dir) {
      const port = freePort();
      await Deno.writeTextFile(`${dir}/index.html`, "apache");
      const modules = ["mpm_event", "authz_core", "dir"].map((name) =>
        `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so\n`
      ).join("");
      await Deno.writeTextFile(
        `${dir}/apache.conf`,
        `ServerName localhost\nListen 127.0.0.1:${port}\nPidFile ${dir}/pid\nErrorLog ${dir}/log\n${modules}` +
          `DocumentRoot "${dir}"\nDirectoryIndex index.html\n`,
      );
      return await run("apache2", ["-d", dir, "-f", `${dir}/apache.conf`, "-DFOREGROUND"], port);
    },
  },
  {
    name: "Python's http.server",
    isInstalled: isInstalled("python3"),
    async start(dir) {
      const port = freePort();
      await Deno.writeTextFile(`${dir}/index.html`, "python");
      return await run("python3", [
        "-m",
        "http.server",
        `${port}`,
        "--bind",
        "127.0.0.1",
        "-d",
        dir,
      ], port);
    },
  },
  {
    name: "Node",
    isInstalled: isInstalled("node"),
    async start() {
      const port = freePort();
      return await run("node", ["-e", NODE_PROGRAM, `${port}`], port);
    },
  },
  {
    name: "Deno.serve",
    isInstalled: true,
    start() {
      const server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        (request) =>
          new Response("deno", { status: new URL(request.url).pathname === "/" ? 200 : 404 }),
      );
      return Promise.resolve({
        url: `http://127.0.0.1:${server.addr.port}`,
        [Symbol.asyncDispose]: () => server.shutdown(),
      });
    },
  },
];

/** A proxy, which wants a password if there is one. */
export async function startTinyproxy(
  dir: string,
  user?: string,
  password?: string,
): Promise<RunningServer> {
  const port = freePort();
  const auth = user === undefined ? "" : `BasicAuth ${user} ${password}\n`;
  await Deno.writeTextFile(
    `${dir}/tinyproxy.conf`,
    `Port ${port}\nListen 127.0.0.1\nTimeout 60\nLogFile "${dir}/tinyproxy.log"\nLogLevel Info\n` +
      `MaxClients 50\nAllow 127.0.0.1\n${auth}`,
  );
  return await run("tinyproxy", ["-d", "-c", `${dir}/tinyproxy.conf`], port);
}
