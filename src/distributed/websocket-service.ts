import type { ServiceImpl } from "@connectrpc/connect";
import { checkName } from "../base/check/check.ts";
import { Frame } from "../send/frame.ts";
import type { Websocket } from "../gen/websocket/websocket_pb.ts";
import type { HubNode } from "../hub/node.ts";
import { checkSize } from "../send/sender.ts";

/** The original's service: asks one node about the clients that it holds itself. */
export function websocketService<Data>(node: HubNode<Data>): ServiceImpl<typeof Websocket> {
  const checkedFrame = (data: Uint8Array, binary: boolean): Frame => {
    const frame = Frame.fromBytes(data, binary);
    checkSize(frame, node.limits);
    return frame;
  };
  return {
    async emit({ id, data, binary }) {
      checkName("id", id, node.limits.maxIdBytes);
      return { success: await node.local.emit(id, checkedFrame(data, binary)) };
    },
    async online({ id }) {
      checkName("id", id, node.limits.maxIdBytes);
      return { online: await node.local.online(id) };
    },
    async broadcast({ data, binary }) {
      const { delivered } = await node.local.broadcast(checkedFrame(data, binary), undefined);
      return { count: BigInt(delivered) };
    },
  };
}
