import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { checkApiKeys } from "../../src/rpc/access.ts";
import { createToken, isWeakSecret, TokenMint, TokenVerifier } from "../../src/rpc/token.ts";

const SECRET = "the secret of the test cluster, long enough";
const HOST = "10.0.0.5:8081";

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function sign(header: object, payload: object, secret = SECRET, hash = "sha256"): string {
  const body = `${part(header)}.${part(payload)}`;
  return `${body}.${createHmac(hash, secret).update(body).digest("base64url")}`;
}

function claims(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
}

function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}

const unauthenticated = { name: "MeshError", code: "unauthenticated" };
const invalid = { name: "TypeError", code: "invalid_argument" };

test("a token is an HS256 JWT with its audience and five minutes to live", async () => {
  const before = Math.floor(Date.now() / 1_000);
  const token = await createToken({ secret: SECRET, audience: HOST });
  const { aud, iat, exp } = claims(token);
  assert.equal(aud, HOST);
  assert.ok(Number(iat) >= before);
  assert.ok(Number(exp) - Number(iat) >= 300 && Number(exp) - Number(iat) <= 301);
  assert.ok(!token.includes(SECRET));
});

test("a verifier gives the audience of a good token", async () => {
  const verifier = new TokenVerifier({ secrets: SECRET, audiences: [HOST, "cluster"] });
  for (const audience of [HOST, "cluster"]) {
    const token = await createToken({ secret: SECRET, audience });
    assert.equal(await verifier.verify(`Bearer ${token}`), audience);
    assert.equal(await verifier.verify(`bearer ${token}`), audience);
  }
});

test("a token minted by another JWT library is accepted", async () => {
  const verifier = new TokenVerifier({ secrets: SECRET, audiences: [HOST] });
  const token = sign({ alg: "HS256" }, { aud: ["elsewhere", HOST], exp: seconds(Date.now()) + 60 });
  assert.equal(await verifier.verify(`Bearer ${token}`), HOST);
});

test("a missing or malformed authorization header is unauthenticated", async () => {
  const verifier = new TokenVerifier({ secrets: SECRET, audiences: [HOST] });
  const token = await createToken({ secret: SECRET, audience: HOST });
  const headers = [
    null,
    undefined,
    "",
    "Bearer",
    "Bearer x",
    `Basic ${token}`,
    token,
    `Bearer ${token} x`,
    `Bearer ${token}.x`,
  ];
  for (const header of [...headers, `Bearer ${token}${"A".repeat(10_000)}`]) {
    await assert.rejects(verifier.verify(header), unauthenticated);
  }
  await assert.rejects(verifier.verify("Bearer bad"), { message: /not a JWT made by createToken/ });
});

test("a token that is forged, expired, endless or meant for another node is unauthenticated", async () => {
  const verifier = new TokenVerifier({ secrets: SECRET, audiences: [HOST] });
  const exp = seconds(Date.now()) + 60;
  const forged = {
    "another secret": await createToken({ secret: "another secret", audience: HOST }),
    "another node": await createToken({ secret: SECRET, audience: "10.0.0.6:8081" }),
    "no algorithm": sign({ alg: "none" }, { aud: HOST, exp }).replace(/[^.]*$/, ""),
    "another algorithm": sign({ alg: "HS512" }, { aud: HOST, exp }, SECRET, "sha512"),
    "no end": sign({ alg: "HS256" }, { aud: HOST }),
    "no audience": sign({ alg: "HS256" }, { exp }),
    "expired": sign({ alg: "HS256" }, { aud: HOST, exp: exp - 600 }),
    "not valid yet": sign({ alg: "HS256" }, { aud: HOST, exp: exp + 600, nbf: exp }),
    "another payload": sign({ alg: "HS256" }, { aud: HOST, exp }).replace(
      /\.[^.]*\./,
      `.${btoa(`{"aud":"${HOST}","exp":9e9}`)}.`,
    ),
  };
  for (const [what, token] of Object.entries(forged)) {
    await assert.rejects(verifier.verify(`Bearer ${token}`), unauthenticated, what);
  }
  const texts = {
    "no end": /set exp/,
    "no audience": /set aud/,
    "expired": /expired/,
    "not valid yet": /clock/,
  } as const;
  for (const [what, text] of Object.entries(texts) as [keyof typeof texts, RegExp][]) {
    await assert.rejects(verifier.verify(`Bearer ${forged[what]}`), { message: text }, what);
  }
});

test("a cluster token does not open the services of one node", async () => {
  const verifier = new TokenVerifier({ secrets: SECRET, audiences: [HOST] });
  const token = await createToken({ secret: SECRET, audience: "cluster" });
  await assert.rejects(verifier.verify(`Bearer ${token}`), { name: "MeshError", code: "permission_denied" });
});

test("each of several secrets is accepted and the first mints", async () => {
  const verifier = new TokenVerifier({ secrets: ["new", "old"], audiences: [HOST] });
  for (const secret of ["new", "old", ["old", "older"]]) {
    assert.equal(await verifier.verify(`Bearer ${await createToken({ secret, audience: HOST })}`), HOST);
  }
  await assert.rejects(
    verifier.verify(`Bearer ${await createToken({ secret: ["older", "old"], audience: HOST })}`),
    unauthenticated,
  );
});

test("a token is good for five seconds past its end, also one that was seen before, and not longer", async () => {
  let now = Date.now();
  const verifier = new TokenVerifier({ secrets: SECRET, audiences: [HOST], now: () => now });
  const seen = await createToken({ secret: SECRET, audience: HOST, ttlMs: 60_000 });
  const unseen = await createToken({ secret: SECRET, audience: HOST, ttlMs: 61_000 });
  const end = Number(claims(seen)["exp"]) * 1_000;
  await verifier.verify(`Bearer ${seen}`);
  now = end + 4_000;
  assert.equal(await verifier.verify(`Bearer ${seen}`), HOST);
  assert.equal(await verifier.verify(`Bearer ${unseen}`), HOST);
  now = end + 5_000;
  await assert.rejects(verifier.verify(`Bearer ${seen}`), unauthenticated);
  await assert.rejects(verifier.verify(`Bearer ${seen}`), unauthenticated);
});

test("a source uses a token again until a fifth of its life is left", async () => {
  let now = Date.now();
  const source = new TokenMint({ secret: SECRET, ttlMs: 100_000, now: () => now });
  const first = await source.token(HOST);
  now += 79_000;
  assert.equal(await source.token(HOST), first);
  assert.notEqual(await source.token("cluster"), first);
  now += 2_000;
  const second = await source.token(HOST);
  assert.notEqual(second, first);
  now -= 10_000;
  assert.notEqual(await source.token(HOST), second, "a clock set back mints anew");
});

test("an API key whose secret is empty or missing is named", () => {
  for (
    const [key, message] of [["", /apiKeys\[1\]\.secret is empty/], [
      undefined,
      /apiKeys\[1\]\.secret must be/,
    ]] as const
  ) {
    const apiKeys = ["k".repeat(32), key].map((each) => ({ secret: each as string, calls: ["Emit"] }));
    assert.throws(() => checkApiKeys(apiKeys, []), /go with a secret/);
    assert.throws(() => checkApiKeys(apiKeys, ["s".repeat(32)]), { code: "invalid_argument", message });
  }
});

test("an empty secret, an empty audience and a lifetime that is none are refused", async () => {
  const good = { secret: SECRET, audience: HOST };
  const bad = [{ secret: "" }, { secret: [] }, { secret: ["x", ""] }, { secret: 7 }, { audience: "" }, {
    audience: undefined,
  }];
  for (const wrong of [...bad, { ttlMs: 0 }, { ttlMs: NaN }, { ttlMs: Infinity }, { ttlMs: "1" }]) {
    await assert.rejects(createToken({ ...good, ...wrong } as typeof good), invalid, JSON.stringify(wrong));
  }
  assert.throws(() => new TokenMint({ secret: "" }), invalid);
  assert.throws(() => new TokenVerifier({ secrets: [], audiences: [HOST] }), invalid);
  assert.throws(() => new TokenVerifier({ secrets: SECRET, audiences: [] }), invalid);
});

test("a secret under 32 bytes works and is called weak", async () => {
  assert.equal(isWeakSecret("x".repeat(31)), true);
  assert.equal(isWeakSecret("x".repeat(32)), false);
  assert.equal(isWeakSecret("é".repeat(16)), false);
  assert.equal(isWeakSecret(["x".repeat(32), "x"]), true);
  const verifier = new TokenVerifier({ secrets: "x", audiences: [HOST] });
  assert.equal(await verifier.verify(`Bearer ${await createToken({ secret: "x", audience: HOST })}`), HOST);
});
