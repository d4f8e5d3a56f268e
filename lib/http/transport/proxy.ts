/**
 * Whether a request goes through a proxy, by what the environment says. Pure.
 *
 *     HTTP_PROXY, HTTPS_PROXY   the proxy for URLs of that scheme
 *     ALL_PROXY                 the proxy where there is none for the scheme
 *     NO_PROXY                  hosts without one: names with all below them, addresses, networks
 *                               (10.0.0.0/8), each with a port or without; * for all
 *
 * @module
 */

/** What the environment says, by the names above. */
export type ProxyEnvironment = Readonly<Record<string, string>>;

/** Whether requests to a URL go through a proxy. */
export function goesThroughProxy(url: URL, environment: ProxyEnvironment): boolean {
  const own = url.protocol === "https:" ? environment.HTTPS_PROXY : environment.HTTP_PROXY;
  if (!own && !environment.ALL_PROXY) return false;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const spared = (environment.NO_PROXY ?? "").split(",").map((entry) => entry.trim().toLowerCase());
  return !spared.some((entry) => entry !== "" && covers(entry, host, port));
}

/** Whether an entry of `NO_PROXY` is about a host. */
function covers(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  const [, bracketed, plain, itsPort] = /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
  if (itsPort !== undefined && itsPort !== port) return false;
  const name = (bracketed ?? plain ?? entry).replace(/^\*?\./, "");
  if (name.includes("/")) return isInNetwork(host, name);
  return host === name || host.endsWith(`.${name}`) && !/^[\d.]+$/.test(host);
}

function isInNetwork(host: string, network: string): boolean {
  const [address, digits] = network.split("/") as [string, string];
  const [one, other] = [numberOf(host), numberOf(address)];
  const bits = Number(digits);
  if (one === undefined || other === undefined || !(bits >= 0 && bits <= 32)) return false;
  const rest = 2 ** (32 - bits);
  return Math.floor(one / rest) === Math.floor(other / rest);
}

/** An IPv4 address as a number. */
function numberOf(address: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)?.slice(1);
  return parts?.reduce((sum, part) => sum * 256 + Number(part), 0);
}
