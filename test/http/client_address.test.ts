import type { IncomingMessage } from "node:http";
import test from "ava";
import express from "express";
import { clientAddress, networkOf } from "../../src/http/client_address.ts";

/** What express itself takes for the address, and what an upgrade is counted under. */
function addressOf(trust: readonly string[] | number | false, connection: string, told?: string) {
  const app = express();
  app.set("trust proxy", trust);
  const request = {
    app,
    headers: told === undefined ? {} : { "x-forwarded-for": told },
    socket: { remoteAddress: connection },
    connection: { remoteAddress: connection },
  };
  const ip = Object.getOwnPropertyDescriptor(express.request, "ip")?.get?.call(request);
  const own = clientAddress(request as unknown as IncomingMessage, app.get("trust proxy fn"));
  return own === ip ? own : `${own}, but express says ${ip}`;
}

test("without a trusted proxy nobody can say where they come from", (t) => {
  t.is(addressOf(false, "203.0.113.9", "192.0.2.1"), "203.0.113.9");
  t.is(addressOf(["192.0.2.0/24"], "203.0.113.9", "192.0.2.1"), "203.0.113.9");
});

test("a trusted proxy is believed about whom it got the request from, and not about more", (t) => {
  t.is(addressOf(["192.0.2.0/24"], "192.0.2.2", "198.51.100.1, 203.0.113.9"), "203.0.113.9");
  t.is(
    addressOf(["loopback", "192.0.2.0/24"], "127.0.0.1", "203.0.113.9, 192.0.2.2"),
    "203.0.113.9",
  );
  t.is(addressOf(1, "192.0.2.2", "198.51.100.1, 203.0.113.9"), "203.0.113.9");
  t.is(addressOf(2, "192.0.2.2", "198.51.100.1, 203.0.113.9"), "198.51.100.1");
  t.is(addressOf(["192.0.2.0/24"], "192.0.2.2"), "192.0.2.2");
});

test("a network of IPv6 counts as one client, and a mapped IPv4 address as itself", (t) => {
  t.is(networkOf("203.0.113.9"), "203.0.113.9");
  t.is(networkOf("::ffff:203.0.113.9"), "203.0.113.9");
  t.is(networkOf("2001:db8:0:1:2:3:4:5"), networkOf("2001:db8:0:1::ffff"));
  t.not(networkOf("2001:db8:0:1::1"), networkOf("2001:db8:0:2::1"));
  t.is(networkOf("fe80::1%eth0"), "fe80:0:0:0::/64");
  t.is(networkOf("::1"), "0:0:0:0::/64");
});
