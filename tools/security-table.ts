/** Writes the tables of docs/security.md from the tables of test/security, which the tests run. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { securityPage } from "../test/security/table.ts";
import { root } from "./run.ts";

const path = join(root, "docs/security.md");
writeFileSync(path, securityPage(readFileSync(path, "utf8")));
