import { crashSweepTest } from "./crash_sweep.ts";

crashSweepTest(2);
