/** Writes the table of docs/wrong-clusters.md from the table that the tests run. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { wrongClustersPage } from "../test/cluster/wrong-clusters-page.ts";
import { root } from "./run.ts";

const path = join(root, "docs/wrong-clusters.md");
writeFileSync(path, wrongClustersPage(readFileSync(path, "utf8")));
process.exit(0);
