import { Consumer, openQueue, Queue, type QueueStatus, status } from "@optimizelyd/maildir";

export async function example(): Promise<QueueStatus> {
  const queue: Queue = await openQueue("queue", { create: true });
  const id: string = queue.enqueueSync({ url: "https://a.example/", requestBody: { id: 1 } });
  // @ts-expect-error: the types are there, or this would be no error
  queue.enqueueSync({ requestBody: id });
  await new Consumer(queue, { trace: (event) => console.log(event.type) }).run("until-empty");
  return await status(queue);
}
