import { EtcdStorage } from "../../src/storage/etcd/etcd.ts";
import { storageFaultContract } from "../contract/storage-faults.ts";
import { startFaultyEtcd } from "../kit/faulty-etcd.ts";
import { CANARY } from "../kit/silent.ts";

storageFaultContract("etcd", async () => {
  const etcd = await startFaultyEtcd();
  return Object.assign(etcd, {
    names: { claim: "claim", renew: "txn" },
    makeNowhere: () => new EtcdStorage({ endpoints: "http://127.0.0.1:1", timeoutMs: 5_000 }),
    sent: (name: string) => etcd.calls.filter((call) => call.name === name).length,
    sends: 1,
    shortMs: 1_000,
    nonsense: [
      () => Response.json({ error: CANARY, message: CANARY, code: 2 }, { status: 500 }),
      () => Response.json({ error: `etcdserver: key "${CANARY}"`, code: 3 }, { status: 400 }),
      () => new Response(`<html>${CANARY}</html>`, { status: 502 }),
      () => new Response(`<html>${CANARY}</html>`, { status: 200 }),
      () => new Response("", { status: 200 }),
      () => Response.json(CANARY),
      () => Response.json({ header: {}, responses: [{ response_range: { kvs: [{ key: "?" }] } }] }),
      () => Response.json({ error: { grpc_code: 14, message: CANARY } }),
    ],
    granted: (answer: string) => answer.includes("succeeded"),
    async keysOf(life: string) {
      return (await etcd.keys()).filter((key) => key.startsWith(etcd.prefix) && key.includes(life));
    },
  });
});
