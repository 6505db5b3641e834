import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Addresses, network } from "../../src/door/addresses.ts";
import { mergeLimits } from "../../src/base/limits.ts";
import { checkOrigins, isAllowedOrigin } from "../../src/door/origin.ts";
import { behindProxies, checkTrustProxy, plainIp, schemeBehindProxies } from "../../src/door/proxy.ts";
import { rate, take } from "../../src/base/rate.ts";

test("a page of the same host passes, whatever its scheme and however the port is written", () => {
  for (
    const [origin, host] of [
      ["http://example.com", "example.com"],
      ["http://example.com", "example.com:80"],
      ["https://example.com", "example.com"],
      ["https://example.com", "EXAMPLE.com:443"],
      ["https://example.com:8443", "example.com:8443"],
      ["http://[::1]:8080", "[::1]:8080"],
    ] as const
  ) assert.equal(isAllowedOrigin(origin, host, "same-origin"), true, origin);
});

const FOREIGN = [
  "https://evil.example",
  "https://example.com.evil.io",
  "https://evilexample.com",
  "null",
  "",
  "HTTPS://EXAMPLE.COM",
  "https://Example.com",
  "https://example.com.",
  "https://example.com:8443",
  "https://example.com/",
  "https://user@example.com",
  "https://example.com, https://example.com",
  "https://example.com#",
  "example.com",
  "//example.com",
];

test("an origin that only looks like this host does not pass", () => {
  for (const origin of FOREIGN) {
    assert.equal(isAllowedOrigin(origin, "example.com", "same-origin"), false, origin);
    assert.equal(isAllowedOrigin(origin, "example.com", ["https://example.com"]), false, origin);
  }
});

test("a list of origins allows those and no others, not even this host", () => {
  const origins = ["https://app.example.com", "capacitor://localhost"];
  checkOrigins(origins);
  assert.equal(isAllowedOrigin("https://app.example.com", "api.example.com", origins), true);
  assert.equal(isAllowedOrigin("capacitor://localhost", "api.example.com", origins), true);
  assert.equal(isAllowedOrigin("https://api.example.com", "api.example.com", origins), false);
  assert.equal(isAllowedOrigin("null", "x", "any"), true);
});

test("an origin that no browser sends is refused as an option", () => {
  for (
    const bad of ["*", "null", "https://a.example/", "https://A.example", "a.example", "https://a.example:443", ""]
  ) {
    assert.throws(() => checkOrigins([bad]), { code: "invalid_argument" }, bad);
  }
  assert.throws(() => checkOrigins("all" as never), { code: "invalid_argument" });
});

test("an origin passes a list only if it is in it", () => {
  fc.assert(fc.property(fc.string(), fc.webAuthority(), (origin, host) => {
    assert.equal(isAllowedOrigin(origin, host, ["https://a.example"]), origin === "https://a.example");
    if (isAllowedOrigin(origin, host, "same-origin")) {
      assert.equal(new URL(origin).host, new URL(`${origin.split("://", 1)[0]}://${host}`).host);
    }
  }));
});

test("without trusted proxies what a client writes about itself is not read", () => {
  const headers = new Headers({ "x-forwarded-for": "6.6.6.6", forwarded: "for=6.6.6.6", "x-forwarded-host": "evil" });
  assert.deepEqual(behindProxies(headers, "10.0.0.1", 0), { address: "10.0.0.1", host: undefined });
});

test("behind proxies the client is who the outermost of them saw", () => {
  const headers = new Headers({
    "x-forwarded-for": "6.6.6.6, 1.2.3.4, 10.0.0.9",
    "x-forwarded-host": "evil, a.example",
  });
  assert.deepEqual(behindProxies(headers, "10.0.0.1", 1), { address: "10.0.0.9", host: "a.example" });
  assert.equal(behindProxies(headers, "10.0.0.1", 2).address, "1.2.3.4");
  assert.equal(behindProxies(headers, "10.0.0.1", 9).address, "6.6.6.6");
  assert.equal(behindProxies(new Headers(), "10.0.0.1", 1).address, "10.0.0.1");
});

test("the scheme that the client used is that of the outermost trusted proxy", () => {
  const headers = new Headers({ "x-forwarded-proto": "http, https, HTTP", forwarded: "proto=https;for=1.2.3.4" });
  const forwarded = (hops: number) => schemeBehindProxies(headers, { hops, header: "forwarded" });
  assert.deepEqual([0, 1, 2, 3, 9].map((hops) => schemeBehindProxies(headers, hops)), [
    undefined,
    "http:",
    "https:",
    "http:",
    "http:",
  ]);
  assert.deepEqual([forwarded(0), forwarded(1)], [undefined, "https:"]);
  assert.equal(schemeBehindProxies(new Headers({ "x-forwarded-proto": "javascript" }), 1), undefined);
  assert.equal(schemeBehindProxies(new Headers(), 1), undefined);
});

test("a Forwarded header is read as RFC 7239 writes it, and only when it is the one that the proxies use", () => {
  const trust = { hops: 1, header: "forwarded" } as const;
  const told = (forwarded: string) =>
    behindProxies(new Headers({ forwarded, "x-forwarded-for": "6.6.6.6" }), "::1", trust);
  assert.deepEqual(told('for=6.6.6.6, For="[2001:DB8::1]:4711";host="a.example:8080";proto=https'), {
    address: "2001:db8::1",
    host: "a.example:8080",
  });
  assert.equal(told('for="1.2.3.4, 5.6.7.8"').address, "");
  assert.equal(told("for=_hidden").address, "");
  assert.equal(told("for=unknown").address, "");
  assert.equal(told("for=1.2.3.4;by=10.0.0.1").address, "1.2.3.4");
});

test("whatever a client puts before them, the last entries of the proxies decide", () => {
  const text = fc.string({ unit: fc.constantFrom(...Array.from('0123456789.:,;="\\[] abcdfor')) });
  fc.assert(fc.property(text, fc.ipV4(), (spoof, address) => {
    const written = new Headers({ "x-forwarded-for": `${spoof}, ${address}` });
    assert.equal(behindProxies(written, "10.0.0.1", 1).address, address);
  }));
  fc.assert(fc.property(text, fc.ipV6(), (spoof, address) => {
    const headers = new Headers({ forwarded: `${spoof}, for="[${address}]:80";host=a.example` });
    const told = behindProxies(headers, "10.0.0.1", { hops: 1, header: "forwarded" });
    assert.deepEqual(told, { address: plainIp(address), host: "a.example" });
  }));
  // A quote that is left open, before one of the proxy's own.
  const open = new Headers({ forwarded: 'for="x, for="[2001:db8::1]"' });
  assert.equal(behindProxies(open, "10.0.0.1", { hops: 1, header: "forwarded" }).address, "2001:db8::1");
  fc.assert(fc.property(text, (header) => {
    const { address } = behindProxies(new Headers({ forwarded: header }), "10.0.0.1", { hops: 2, header: "forwarded" });
    assert.ok(address === "10.0.0.1" || address === plainIp(address));
  }));
});

test("an address is an IP address or nothing", () => {
  assert.equal(plainIp("1.2.3.4:80"), "1.2.3.4");
  assert.equal(plainIp("[2001:DB8::1]:80"), "2001:db8::1");
  assert.equal(plainIp("::ffff:1.2.3.4"), "1.2.3.4");
  assert.equal(plainIp("[::FFFF:1.2.3.4]:80"), "1.2.3.4");
  for (const bad of ["::ffff:1.2.3.256", "1.2.3.256", "a.example", "1.2.3", "[::1", "::1]", ":::", "1.2.3.4\r\nx"]) {
    assert.equal(plainIp(bad), "");
  }
  assert.throws(() => checkTrustProxy(-1), { code: "invalid_argument" });
  assert.throws(() => checkTrustProxy(true as never), { code: "invalid_argument" });
});

test("a rate lets a burst through at once and then its share per second", () => {
  const ten = rate(10, 5);
  let fullAt = 0;
  const takes = (now: number): boolean => {
    const next = take(ten, fullAt, now);
    if (next !== undefined) fullAt = next;
    return next !== undefined;
  };
  assert.deepEqual(Array.from({ length: 7 }, () => takes(1_000)), [true, true, true, true, true, false, false]);
  assert.deepEqual([takes(1_099), takes(1_100), takes(1_101), takes(1_200)], [false, true, false, true]);
  assert.deepEqual(Array.from({ length: 6 }, () => takes(9_000)), [true, true, true, true, true, false]);
  assert.equal(take(rate(Infinity, 1), 0, 0), 0);
});

test("a rate never lets through more than its burst and its share", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.integer({ min: 0, max: 300 })),
      (perSecond, burst, gaps) => {
        const bucket = rate(perSecond, burst);
        let [fullAt, now, taken] = [0, 1_000, 0];
        for (const gap of gaps) {
          now += gap;
          const next = take(bucket, fullAt, now);
          if (next === undefined) continue;
          fullAt = next;
          taken++;
        }
        assert.ok(taken <= burst + ((now - 1_000) * perSecond) / 1_000 + 1e-6);
      },
    ),
  );
});

test("an IPv6 client is counted by its /64", () => {
  assert.equal(network("1.2.3.4"), "1.2.3.4");
  assert.equal(network("2001:db8::1"), network("2001:0DB8:0:0:ffff:1:2:3"));
  assert.notEqual(network("2001:db8::1"), network("2001:db8:0:1::1"));
  assert.equal(network("::1"), "0:0:0:0");
  assert.equal(network("fe80::1%eth0"), "fe80:0:0:0");
});

test("connections of one address are counted until they leave", () => {
  const addresses = new Addresses(mergeLimits({ maxConnectionsPerAddress: 2 }));
  assert.deepEqual([1, 2, 3].map(() => addresses.enter("1.1.1.1", 0)), [true, true, false]);
  assert.equal(addresses.enter("2.2.2.2", 0), true);
  addresses.leave("1.1.1.1");
  assert.deepEqual([1, 2].map(() => addresses.enter("1.1.1.1", 0)), [true, false]);
  assert.equal(addresses.enter("", 0), true);
});

test("an address that comes too often waits, also when its connections are gone", () => {
  const addresses = new Addresses(mergeLimits({ connectsPerSecond: 1, connectBurst: 3 }));
  const enter = (address: string, now: number): boolean => {
    const entered = addresses.enter(address, now);
    if (entered) addresses.leave(address);
    return entered;
  };
  assert.deepEqual([1, 2, 3, 4].map(() => enter("1.1.1.1", 5)), [true, true, true, false]);
  for (let other = 0; other < 1_000; other++) assert.equal(enter(`10.0.${other >> 8}.${other & 255}`, 5), true);
  assert.equal(enter("1.1.1.1", 500), false);
  assert.equal(enter("1.1.1.1", 1_005), true);
});
