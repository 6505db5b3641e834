import { invalidArgument } from "../error.ts";

/**
 * Gives an object the methods of other libraries, so that calling one says what to write here.
 *
 * A name `"method.name"` goes to a method, such as `"broadcast.emit"`. Each throws a TypeError (`invalid_argument`). They are in no type, and no loop over the object sees them.
 */
export function teach(object: object, usages: Readonly<Record<string, string>>): void {
  for (const [path, usage] of Object.entries(usages)) {
    const [name = "", owner] = path.split(".").reverse();
    const value = (): never => {
      throw invalidArgument(`there is no ${name}() here: ${usage}`);
    };
    const taught = owner === undefined ? object : (object as Readonly<Record<string, object>>)[owner];
    Object.defineProperty(taught, name, { configurable: true, writable: true, value });
  }
}

/** Methods that users of other libraries call on a client. */
export const CLIENT_HABITS: Readonly<Record<string, string>> = {
  "broadcast.emit": "write client.broadcast(message)",
  send: "write client.emit(message)",
  on: "give the session handlers: { onEvent(client, message) {}, onDisconnect(client, code, reason) {} }",
  once: "give the session an onEvent(client, message)",
  addEventListener: "give the session handlers: { onEvent(client, message) {} }",
  join: "write client.subscribe(topic)",
  leave: "write client.unsubscribe(topic)",
  to: "write client.publish(topic, message), or hub.emit(id, message) for one client",
  in: "write client.publish(topic, message)",
  except: "write client.broadcast(message, { except: ids })",
  disconnect: "write client.close(code, reason)",
  emitWithAck: "write await client.request(message), or client.emit(message, { confirm: true })",
  timeout: "write client.request(message, { timeoutMs })",
  use: "decide in onEvent(client, message)",
  ping: "clients are pinged after limits.pingMs of silence",
};
