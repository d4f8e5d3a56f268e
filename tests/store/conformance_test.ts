import { conformance } from "./conformance.ts";
import { onRealDisk, simulated } from "./maildir_bench.ts";
import { inMemory } from "./memory_bench.ts";

conformance("maildir", onRealDisk);
conformance("maildir, simulated disk", simulated());
conformance("maildir, slow network disk", simulated({ networkDisk: true, latencyMs: () => 2 }));
conformance("memory", inMemory, ["refusals"]);
