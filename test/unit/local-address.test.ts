import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, localAddress, type NetworkAddress } from "../../src/base/local-address.ts";

function address(text: string, internal = false): NetworkAddress {
  return { address: text, family: text.includes(":") ? "IPv6" : "IPv4", internal };
}

test("localAddress is the first address that other machines reach, of IPv4 before IPv6", () => {
  const lo = [address("127.0.0.1", true), address("::1", true)];
  const cases: [NetworkAddress[], string][] = [
    [[address("fe80::1"), address("2001:db8::5"), address("10.0.0.5")], "10.0.0.5"],
    [[address("fe80::1"), address("2001:db8::5")], "2001:db8::5"],
    [[address("fd00::5")], "fd00::5"],
    [[address("fe80::1"), address("FEB0::1")], "127.0.0.1"],
    [[], "127.0.0.1"],
  ];
  for (const [eth0, expected] of cases) assert.equal(addressOf({ lo, eth0, gone: undefined }), expected);
  assert.equal(addressOf({ eth0: [{ address: "2001:db8::5", family: 6, internal: false }] }), "2001:db8::5");
});

test("localAddress of this machine is an address", () => {
  assert.match(localAddress(), /^[\d.]+$|^[\da-f:]+$/i);
});
