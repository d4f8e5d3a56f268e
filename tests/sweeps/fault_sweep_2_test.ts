import { faultSweepTest } from "./fault_sweep.ts";

faultSweepTest(2);
