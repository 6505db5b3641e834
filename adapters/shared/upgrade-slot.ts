import type { Admission, UpgradeContext } from "../../src/door/admission.ts";
import type { Compression } from "../../src/send/compression.ts";
import type { Limits } from "../../src/base/limits.ts";

/** An upgrade that a hub let in. */
export interface Admitted {
  readonly admission: Admission;
  readonly hub: AdmittingHub;
}

/** The settings of a hub that the connections which it let in keep. */
export interface AdmittingHub {
  readonly limits: Readonly<Limits>;
  /** Which messages are compressed; undefined for none. */
  readonly compression: Compression | undefined;
}

/**
 * How an upgrade request travels through an application to a handler of ours, and the admission back,
 * where a Response cannot be the 101: it lies in the application's `env` under {@link UPGRADE_SLOT}.
 */
export interface UpgradeSlot {
  readonly context: UpgradeContext;
  admitted?: Admitted;
}

/** Registered globally: the adapter and the handler may come from two copies of this module. */
export const UPGRADE_SLOT: unique symbol = Symbol.for("meshsocket.upgrade-slot") as never;
