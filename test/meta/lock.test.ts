import assert from "node:assert/strict";
import { test } from "node:test";
import { type LockedPackages, missingPackages } from "../../tools/lock.ts";
import { readSource } from "./source.ts";

test("package-lock.json holds every platform's packages, without which npm ci refuses it", () => {
  const { packages } = JSON.parse(readSource("package-lock.json").text) as { packages: LockedPackages };
  assert.deepEqual(Object.keys(missingPackages(packages)), [], "run npm run lock");
});

test("a platform's package that is missing is found", () => {
  const packages: LockedPackages = {
    "node_modules/a": {
      version: "1.0.0",
      dev: true,
      optionalDependencies: { "@a/linux-x64-musl": "1.0.0", b: "2.0.0" },
    },
    "node_modules/b": { version: "2.0.0" },
  };
  assert.deepEqual(missingPackages(packages), {
    "node_modules/@a/linux-x64-musl": {
      version: "1.0.0",
      os: ["linux"],
      cpu: ["x64"],
      libc: ["musl"],
      dev: true,
      optional: true,
    },
  });
});
