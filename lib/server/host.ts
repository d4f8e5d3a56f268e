/**
 * Whether a request was meant for us: the `Host` it names, against where it arrived. Pure.
 *
 * A web page can make its visitor's browser talk to any address (DNS rebinding: its own name, then
 * resolved to 127.0.0.1), but not under another name than its own. So who names the address itself,
 * or a name we were told of, can't be such a page.
 *
 * @module
 */

/** A name or an address that may be given as one of ours, without a port. */
const NAME =
  /^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?)*)$/;

/** A host name or an address as it is compared; `undefined` when it isn't one. */
export function hostName(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, "");
  if (name.length > 253 || !NAME.test(name)) return undefined;
  return name.startsWith("[") ? addressOf(name.slice(1, -1)) : name;
}

/** An address in one spelling, without brackets; an IPv4 address inside an IPv6 one is itself. */
function addressOf(address: string): string {
  const [, inner] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  if (inner !== undefined) return inner;
  const url = `http://[${address}]/`;
  return address.includes(":") && URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : address;
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/**
 * Whether `host`, such as `127.0.0.1:8080`, is the address and port at which a connection arrived
 * (`localhost` for a loopback one), or one of the names, which stand for any port.
 */
export function isOurs(
  host: string,
  at: { readonly address: string; readonly port: number },
  names: readonly string[],
): boolean {
  const [, text, digits] = /^(.*?)(?::(\d+))?$/.exec(host)!;
  const name = hostName(text!);
  if (name === undefined) return false;
  if (names.includes(name)) return true;
  if (Number(digits ?? 80) !== at.port) return false;
  const address = addressOf(at.address);
  return name === address || name === "localhost" && isLoopback(address);
}
