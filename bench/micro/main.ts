/** Frame, burst, batch and codec alone: `node bench/micro/main.ts`, or the same with bun and `deno run -A`. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { bench, do_not_optimize, group, run } from "mitata";
import { concat } from "../../adapters/ws/concat.ts";
import { Batcher } from "../../src/base/batcher.ts";
import { Burst } from "../../src/send/burst.ts";
import { Frame } from "../../src/send/frame.ts";
import { type Batch, BatchSchema } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { emitItem } from "../../src/link/items.ts";

const texts = [16, 64, 1_024, 65_536].map((length) => "x".repeat(length));

group("a frame of text", () => {
  for (const text of texts) bench(`${text.length} bytes`, () => do_not_optimize(Frame.of(text)));
  bench("64 characters, not ASCII", () => do_not_optimize(Frame.of("é".repeat(64))));
});

group("a burst of 64 frames", () => {
  const frames = Array.from({ length: 64 }, () => Frame.of(texts[1] ?? ""));
  bench("queued for one socket", () => {
    let burst: Burst | undefined;
    for (const frame of frames) burst = Burst.add(burst, frame);
    do_not_optimize(burst?.frames);
  });
  bench("put together for the wire", () => do_not_optimize(concat([...frames])));
});

group("a batch of 100 emits between nodes", () => {
  const make = (): Batch => ({
    $typeName: "meshsocket.node.v1.Batch",
    line: "line",
    toLife: "life",
    number: 1n,
    items: Array.from({ length: 100 }, (_, index) => emitItem(`client-${index}`, Frame.of(texts[1] ?? "")).item),
  });
  const bytes = toBinary(BatchSchema, make());
  bench("made", () => do_not_optimize(make()));
  bench("encoded", () => do_not_optimize(toBinary(BatchSchema, make())));
  bench("decoded", () => do_not_optimize(fromBinary(BatchSchema, bytes)));
});

group("a batcher", () => {
  const batcher = new Batcher<number, number>((items) => Promise.resolve(items));
  bench("100 calls", async () => {
    await Promise.all(Array.from({ length: 100 }, (_, index) => batcher.add(index)));
  });
});

await run();
