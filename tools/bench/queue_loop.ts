/**
 * What no consumer can leave out, and nothing else: rename, read, `fetch`, remove, in a process and
 * a thread of its own.
 *
 * `queue_loop.ts QUEUE CONCURRENCY`: every event in `new/`, in no order, so many at a time. The
 * names are read before it begins.
 *
 * @module
 */

async function loop(queue: string, concurrency: number): Promise<void> {
  const names = Array.from(Deno.readDirSync(`${queue}/new`), ({ name }) => name);
  const headers = { "content-type": "application/json" };
  const decoder = new TextDecoder();
  async function worker(): Promise<void> {
    for (let name; (name = names.pop()) !== undefined;) {
      const claimed = `${queue}/cur/${name}`;
      Deno.renameSync(`${queue}/new/${name}`, claimed);
      const { url, requestBody } = JSON.parse(decoder.decode(Deno.readFileSync(claimed)));
      const body = JSON.stringify(requestBody);
      const response = await fetch(url, { method: "POST", headers, body });
      if (response.status !== 204) throw new Error(`the endpoint answered ${response.status}`);
      Deno.removeSync(claimed);
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker));
}

if (import.meta.main) {
  const [queue, concurrency] = Deno.args;
  await loop(queue!, Number(concurrency));
}
