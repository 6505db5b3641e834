/** Imported first by a test file whose clusters carry batches in Connect calls, as where no packed line gets through. */
import { carrier } from "./carrier.ts";

carrier.lines = "calls";
