/**
 * Completes package-lock.json: `npm run lock`, after a dependency changed.
 *
 * A registry mirror that lacks the builds of another platform makes npm write a lock file without them, and `npm ci`
 * then refuses that file everywhere. What is written here is enough for `npm ci`: version and platform.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "./run.ts";

/** One package of a lock file. */
export interface LockedPackage {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

/** The packages of a lock file by their folder. */
export type LockedPackages = Record<string, LockedPackage>;

/** The optional packages that the lock file asks for and does not hold, as they should stand in it. */
export function missingPackages(packages: LockedPackages): LockedPackages {
  const missing: LockedPackages = {};
  for (const [folder, { dev, optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (packages[`node_modules/${name}`] || packages[`${folder}/node_modules/${name}`]) continue;
      missing[`node_modules/${name}`] = { version, ...platformOf(name), ...(dev === true && { dev }), optional: true };
    }
  }
  return missing;
}

const SYSTEMS = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const PROCESSORS: readonly (readonly [RegExp, string])[] = [
  [/\b(?:arm64|aarch64)\b/, "arm64"],
  [/\b(?:x64|64)\b/, "x64"],
  [/\barm(?:v7)?\b/, "arm"],
  [/\bppc64\b/, "ppc64"],
  [/\briscv64\b/, "riscv64"],
  [/\bs390x\b/, "s390x"],
  [/\bia32\b/, "ia32"],
];

/** The platform that a package is built for, as its name tells it. Throws when the name does not. */
function platformOf(name: string): Pick<LockedPackage, "os" | "cpu" | "libc"> {
  const os = SYSTEMS.find((system) => name.includes(system));
  const cpu = PROCESSORS.find(([pattern]) => pattern.test(name))?.[1];
  if (os === undefined || cpu === undefined) throw new Error(`${name} does not tell its platform: add it by hand`);
  const libc = /musl/.test(name) ? ["musl"] : /gnu|glibc/.test(name) ? ["glibc"] : undefined;
  return { os: [os], cpu: [cpu], ...(libc && os === "linux" && { libc }) };
}

function main(): void {
  const path = join(root, "package-lock.json");
  const lock = JSON.parse(readFileSync(path, "utf8")) as { packages: LockedPackages };
  const missing = missingPackages(lock.packages);
  const sorted = Object.entries({ ...lock.packages, ...missing }).toSorted(([a], [b]) => a.localeCompare(b, "en"));
  writeFileSync(path, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, undefined, 2)}\n`);
  console.log(`${Object.keys(missing).length} packages of other platforms added`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
