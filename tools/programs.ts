import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { run } from "./run.ts";

/** Programs that the tests need besides npm packages, by the name of the program, or the path of a library, and of its Debian package. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "redis-server": "redis-server",
  etcd: "etcd-server",
  chromium: "chromium",
  haproxy: "haproxy",
  nginx: "nginx-light",
  promtool: "prometheus",
  "/usr/lib/python3/dist-packages/websockets": "python3-websockets",
};

/** Debian keeps servers where the PATH of an ordinary user does not lead. */
const SERVERS = "/usr/sbin";

/** Installs the missing programs where that is possible. Returns one line for each that stays missing. */
export async function ensurePrograms(log: (line: string) => void): Promise<string[]> {
  process.env["PATH"] = [process.env["PATH"], SERVERS].join(delimiter);
  const missing = Object.keys(PROGRAMS).filter((program) => !onPath(program));
  if (missing.length > 0 && process.getuid?.() === 0 && onPath("apt-get")) {
    const packages = missing.map((program) => PROGRAMS[program] ?? program);
    log(`installing ${packages.join(" and ")}`);
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update"], { env });
    const { code, output } = await run("apt-get", ["install", "-y", "--no-install-recommends", ...packages], { env });
    if (code !== 0) log(output.slice(-2000));
  }
  return missing
    .filter((program) => !onPath(program))
    .map((program) => `${program} is not installed and the tests need it: install Debian's ${PROGRAMS[program]}`);
}

/** The path of a program on the PATH. */
export function findProgram(name: string): string | undefined {
  const paths = (process.env["PATH"] ?? "").split(delimiter).map((folder) =>
    isAbsolute(name) ? name : join(folder, name)
  );
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function onPath(program: string): boolean {
  return findProgram(program) !== undefined;
}
