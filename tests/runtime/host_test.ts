import { assert, assertEquals } from "@std/assert";
import { hostIds } from "../../lib/runtime/host.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { tempDir } from "../support/temp_dir.ts";

const FILES: Readonly<Record<string, string>> = {
  "/proc/sys/kernel/random/boot_id": "d77e8cdb-77c5-48b3-a216-edfadf7648ee\n",
  "/etc/machine-id": "3d1219c7c4c5404aaa1f6d2a48adfda4\n",
};

Deno.test("Linux keeps the ids of kernel and machine in files", () => {
  const { bootId, machineId } = hostIds("linux", (path) => FILES[path]);
  assertEquals(bootId, "d77e8cdb-77c5-48b3-a216-edfadf7648ee");
  assertEquals(machineId, "3d1219c7c4c5404aaa1f6d2a48adfda4");
  assertEquals(denoRuntime().bootId, bootIdHere());
});

function bootIdHere(): string | undefined {
  try {
    return Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  } catch {
    return undefined;
  }
}

Deno.test("what can't be read, is empty or isn't an id yet is no id", () => {
  for (const text of [undefined, "", "\n", "uninitialized\n"]) {
    const { bootId, machineId } = hostIds("linux", () => text);
    assertEquals([bootId, machineId], [undefined, undefined]);
  }
  assertEquals(hostIds("windows", (path) => FILES[path]).bootId, undefined);
});

Deno.test("disks have device numbers of their own, network file systems don't", () => {
  const linux = hostIds("linux", () => undefined);
  assert(linux.ownsDevice(0x801)); // 8:1, the first partition of the first disk
  assert(linux.ownsDevice(0x10301)); // 259:1, NVMe
  assert(linux.ownsDevice(65024)); // 254:0, a virtual disk
  for (const dev of [0, 0x2d, 0xff, 0x100000 + 0x2d]) assert(!linux.ownsDevice(dev), `${dev}`);
  const darwin = hostIds("darwin", () => undefined);
  assert(darwin.ownsDevice(0x1000004) && !darwin.ownsDevice(0x2d000002));
  assert(!hostIds("windows", () => undefined).ownsDevice(0x801));
});

Deno.test("a program without permission does without ids", async () => {
  await using dir = await tempDir();
  const module = new URL("../../lib/runtime/deno.ts", import.meta.url).href;
  const program = `${dir.path}/main.ts`;
  const script = `import { denoRuntime } from ${JSON.stringify(module)};
const { bootId, machineId } = denoRuntime();
console.log(bootId, machineId);`;
  Deno.writeTextFileSync(program, script);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-config", program],
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "undefined undefined\n");
});
