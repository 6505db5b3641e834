import type { ServiceImpl } from "@connectrpc/connect";
import { checkName } from "../base/check.ts";
import type { DistHub } from "./dist-hub.ts";
import { Frame } from "../send/frame.ts";
import type { Websocket } from "../gen/websocket/websocket_pb.ts";
import { checkSize } from "../send/sender.ts";

/** The original's service: asks one node about the clients that it holds itself. */
export function websocketService<Data>(hub: DistHub<Data>): ServiceImpl<typeof Websocket> {
  const checkedFrame = (data: Uint8Array, binary: boolean): Frame => {
    const frame = Frame.fromBytes(data, binary);
    checkSize(frame, hub.limits);
    return frame;
  };
  return {
    async emit({ id, data, binary }) {
      checkName("id", id, hub.limits.maxIdBytes);
      return { success: await hub.local.emit(id, checkedFrame(data, binary)) };
    },
    async online({ id }) {
      checkName("id", id, hub.limits.maxIdBytes);
      return { online: await hub.local.online(id) };
    },
    async broadcast({ data, binary }) {
      const { delivered } = await hub.local.broadcast(checkedFrame(data, binary), undefined);
      return { count: BigInt(delivered) };
    },
  };
}
