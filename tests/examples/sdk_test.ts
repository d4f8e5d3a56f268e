/**
 * The dispatchers for the other SDKs, run by their interpreters with the shape that those SDKs hand
 * over.
 */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { parseEvent } from "../../lib/event/request.ts";
import { openQueue, status } from "../../mod.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const EXAMPLES = fromFileUrl(new URL("../../examples/sdk/", import.meta.url));
const URL_ = "https://logx.optimizely.com/v1/events";
const BODY = { visitors: [{ visitor_id: "user-ünï-日本-😀" }], n: 9007199254740991, ratio: 1.0 };

/** As the SDK's own `event_builder.Event` has it. */
const PYTHON = `
import json, sys
sys.path.insert(0, sys.argv[1])
from dispatcher import SpoolingEventDispatcher
class Event:
    def __init__(self, url, params, http_verb, headers):
        self.url, self.params, self.http_verb, self.headers = url, params, http_verb, headers
SpoolingEventDispatcher(sys.argv[2]).dispatch_event(
    Event(sys.argv[3], json.loads(sys.argv[4]), "POST", {"Content-Type": "application/json"}))
`;

/** As the SDK's own `LogEvent` and interface have it. */
const PHP = `
namespace Optimizely\\Event { class LogEvent {
  public function __construct(private $url, private $params, private $httpVerb, private $headers) {}
  public function getUrl() { return $this->url; }
  public function getParams() { return $this->params; }
  public function getHttpVerb() { return $this->httpVerb; }
  public function getHeaders() { return $this->headers; }
} }
namespace Optimizely\\Event\\Dispatcher { interface EventDispatcherInterface {
  public function dispatchEvent(\\Optimizely\\Event\\LogEvent $event);
} }
namespace {
  [, $examples, $baseDir, $url, $params] = $argv;
  require "$examples/SpoolingEventDispatcher.php";
  (new SpoolingEventDispatcher($baseDir))->dispatchEvent(new Optimizely\\Event\\LogEvent(
    $url, json_decode($params, true), 'POST', ['Content-Type' => 'application/json']));
}
`;

function isThere(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

const EXAMPLES_BY_LANGUAGE = [
  ["Python", "python3", ["-c", PYTHON]],
  ["PHP", "php", ["-r", PHP, "--"]],
] as const;

for (const [language, program, args] of EXAMPLES_BY_LANGUAGE) {
  Deno.test({
    name: `the dispatcher for the ${language} SDK puts the event on the queue`,
    ignore: !isThere(program),
    async fn() {
      await using dir = await tempDir();
      const base = join(dir.path, "queue");
      const { success, stderr } = await new Deno.Command(program, {
        args: [...args, EXAMPLES, base, URL_, JSON.stringify(BODY)],
        env: { PYTHONDONTWRITEBYTECODE: "1" },
      }).output();
      assert(success, new TextDecoder().decode(stderr));
      const [name] = namesIn(join(base, "new"));
      const event = parseEvent(Deno.readFileSync(join(base, "new", name!)));
      assert(event.kind === "request");
      assertEquals([event.request.url.href, event.request.method], [URL_, "POST"]);
      assertEquals(JSON.parse(event.request.body!), BODY);
      const { ready, writing } = await status(await openQueue(base));
      assertEquals([ready, writing], [1, 0]);
    },
  });
}
