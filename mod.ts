export { denoRuntime } from "./lib/runtime/deno.ts";
export { Queue } from "./lib/queue/queue.ts";
export { Consumer } from "./lib/consumer/consumer.ts";
