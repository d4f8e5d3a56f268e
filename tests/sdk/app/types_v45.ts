import { createInstance } from "@optimizely/optimizely-sdk";
import { createEventDispatcher } from "@optimizelyd/maildir";

createInstance({
  datafile: "{}",
  eventDispatcher: createEventDispatcher({
    baseDir: "queue",
    onError: (error, event) => console.error(error, event.url),
  }),
});
