import {
  createBatchEventProcessor,
  createForwardingEventProcessor,
  createInstance,
  createStaticProjectConfigManager,
} from "@optimizely/optimizely-sdk";
import { createEventDispatcher } from "@optimizelyd/maildir";

const eventDispatcher = createEventDispatcher({ baseDir: "queue", durability: "os" });
createForwardingEventProcessor(eventDispatcher);
createInstance({
  projectConfigManager: createStaticProjectConfigManager({ datafile: "{}" }),
  eventProcessor: createBatchEventProcessor({
    eventDispatcher,
    closingEventDispatcher: eventDispatcher,
  }),
});
