/** The suites of the in-memory cluster once more, over the fallback: batches in Connect calls instead of packed lines. */
import "../kit/over-calls.ts";
import "./cluster.test.ts";
import "./cluster-confirm.test.ts";
import "./cluster-faults.test.ts";
import "./cluster-histories.test.ts";
import "./cluster-presence.test.ts";
import "./cluster-request.test.ts";
import "./cluster-topics.test.ts";
import "./cluster-users.test.ts";
import "./partial-loss.test.ts";
import "./presence-faults.test.ts";
import "./subscriptions.test.ts";
