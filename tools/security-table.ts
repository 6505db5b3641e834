/** Writes docs/security.md, and the table of attacks in README.md, from the tables of test/security. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { securityPage, withSupportTable } from "../test/security/table.ts";
import { root } from "./run.ts";

writeFileSync(join(root, "docs/security.md"), securityPage());
const readme = join(root, "README.md");
writeFileSync(readme, withSupportTable(readFileSync(readme, "utf8")));
