import { createPrivateKey, X509Certificate } from "node:crypto";
import { invalidArgument } from "../../src/base/error.ts";
import type { TlsOptions } from "../../src/hub/serve-options.ts";

/** Throws a TypeError (`invalid_argument`) unless it is a certificate with its key; not every runtime looks before a client comes. */
export function checkTls(tls: TlsOptions): void {
  if (typeof tls?.cert !== "string" || typeof tls.key !== "string") {
    throw invalidArgument("tls needs cert and key, both in PEM");
  }
  if (!matches(tls)) throw invalidArgument("tls.cert and tls.key are not a certificate and its key in PEM");
}

function matches({ cert, key }: TlsOptions): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
