import type { Rig } from "./wrong-cluster-rig.ts";

/** One wrong cluster. */
export interface WrongCluster {
  readonly title: string;
  /** What the nodes do. */
  readonly state: string;
  /** The line that one of them logs or rejects with, or several of which it is one; HOST is an address, N a number. */
  readonly line: string | readonly string[];
  /** What the verbs return meanwhile. */
  readonly results: string;
  /** Makes it and checks state and results; returns the line. */
  readonly run: (rig: Rig) => Promise<string>;
}

export const REFUSES: string = "the new node refuses to start; the others stay ready";
export const UNAFFECTED: string = "unaffected: the new node never has a client";
export const NAMED: string = "sends between the two reject or name the host; all others arrive";
export const ADVICE: string =
  "give all nodes under one prefix the same secret and the right time, and each application its own prefix";
export const SHARED: string = "advertise HOST leads to another node: give each node its own";
export const TAKEN: string =
  "the lease of HOST ended although it was renewed in time: either another node advertises this address too, or " +
  "the storage lost its last writes";
export const NO_NODE: readonly string[] = [
  "no meshsocket node answers at HOST",
  "HOST ended the connection before it answered: is it another server, or is TLS set on one side only?",
];
export const SET_ADVERTISE: string = "set rpc.advertise to an address at which the other nodes reach its RPC port";
export const IN_MEMORY: readonly [string, string, string] = ["10.0.0.1:8081", "10.0.0.2:8081", "10.0.0.3:8081"];
