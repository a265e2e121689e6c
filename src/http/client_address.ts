/** Where a request comes from, as limits count it. */
import type { IncomingMessage } from "node:http";
import { isIPv6 } from "node:net";

/** Whether an address is that of a proxy whose word is taken; express compiles it of a setting. */
export type Trust = (address: string, hops: number) => boolean;

/**
 * The address of the client: that of the connection, or as far back in X-Forwarded-For as proxies
 * are trusted. Anybody can write that header, so what an untrusted one says is never looked at.
 */
export function clientAddress(request: IncomingMessage, trust: Trust): string {
  const told = String(request.headers["x-forwarded-for"] ?? "")
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  let address = request.socket.remoteAddress ?? "";
  for (let hops = 0; told.length > 0 && trust(address, hops); hops += 1) {
    address = told.pop() ?? "";
  }
  return address;
}

/**
 * What stands for the address where things are counted: a customer of an IPv6 network has a whole
 * /64 of addresses, and counts as one. An IPv4 address that is written as IPv6 is IPv4.
 */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address.slice(0, 100);
  const [head = "", tail] = address.toLowerCase().replace(/%.*$/, "").split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  const groups = [...left, ...zeros, ...right].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}
