import { after, before } from "node:test";
import { EtcdStorage } from "../../src/storage/etcd/etcd.ts";
import { storageContract } from "../contract/storage.ts";
import { storageHistories } from "../contract/storage-histories.ts";
import { startEtcd, type TestEtcd } from "../kit/etcd.ts";
import type { StoreUnderTest } from "../kit/storage.ts";
import { until } from "../kit/until.ts";

let etcd: TestEtcd;
let stores = 0;

before(async () => {
  etcd = await startEtcd();
});

after(async () => {
  await etcd.stop();
});

function makeStore(): StoreUnderTest {
  const store = `store-${stores++}-`;
  return {
    shortMs: 1_000,
    open: (prefix) => new EtcdStorage({ endpoints: etcd.endpoints, timeoutMs: 5_000 }, store + prefix),
    async untilLapsed(storage, { life }) {
      await until("the lease to end", async () => (await storage.living()).every((holder) => holder.life !== life));
    },
    wipe: () => etcd.wipe(),
  };
}

storageContract("etcd", makeStore);
storageHistories("etcd", makeStore, { runs: 40 });
