import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHost } from "../../src/base/host.ts";

const GOOD = [
  "localhost:8081",
  "node-1.internal:1",
  "a_b.example.com:65535",
  "10.0.0.5:8081",
  "127.0.0.1:80",
  "[::1]:8081",
  "[2001:db8::5]:443",
  "1a.example:80",
];

const BAD = [
  "",
  "localhost",
  ":80",
  "localhost:",
  "localhost:0",
  "localhost:080",
  "localhost:65536",
  "localhost:80 ",
  " localhost:80",
  "localhost:+80",
  "localhost:8e1",
  "http://localhost:80",
  "http://169.254.169.254/",
  "file:///etc/passwd",
  "localhost:80/path",
  "localhost/path:80",
  "user@localhost:80",
  "user:pass@localhost:80",
  "localhost?x:80",
  "localhost#x:80",
  "local host:80",
  "localhost\0:80",
  "localhost\r\nx:80",
  "localhost\\x:80",
  "local%68ost:80",
  "löcal:80",
  "-a:80",
  "a-:80",
  "a..b:80",
  ".a:80",
  `${"a".repeat(64)}:80`,
  `${"a.".repeat(127)}ab:80`,
  "2130706433:80",
  "0x7f.1:80",
  "127.1:80",
  "127.0.0.01:80",
  "256.0.0.1:80",
  "1.2.3.4.5:80",
  "0.0.0.0:80",
  "::1:80",
  "[::1]80",
  "[::1:80",
  "[]:80",
  "[::]:80",
  "[0:0::0]:80",
  "[fe80::1%eth0]:80",
  "[::ffff:169.254.169.254]:80",
  "[::ffff:a9fe:a9fe]:80",
  "[1:2:3]:80",
  "[localhost]:80",
];

test("a name, an IPv4 address or a bracketed IPv6 address with a port is a host", () => {
  for (const host of GOOD) assert.doesNotThrow(() => checkHost(host), host);
});

test("anything that a URL would read as more, or as another address, is refused", () => {
  for (const host of BAD) {
    assert.throws(() => checkHost(host), { name: "TypeError", code: "invalid_argument" }, JSON.stringify(host));
  }
});

test("what is not a string is no host", () => {
  for (const host of [undefined, null, 80, {}, ["localhost:80"]]) {
    assert.throws(() => checkHost(host), { name: "TypeError", code: "invalid_argument" });
  }
});

test("a refused host cannot forge a line of a log", () => {
  assert.throws(() => checkHost("a\nb:80"), (error: Error) => !error.message.includes("\n"));
});
