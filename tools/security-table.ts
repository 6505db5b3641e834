/** Writes docs/security.md from the tables of test/security. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { securityPage } from "../test/security/table.ts";
import { root } from "./run.ts";

writeFileSync(join(root, "docs/security.md"), securityPage());
