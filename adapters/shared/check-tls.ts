import { checkOptions, checkText, defined, type OptionTable } from "../../src/base/check/check.ts";
import { invalidArgument } from "../../src/base/error.ts";
import type { TlsOptions } from "../../src/hub/serve-options.ts";

/** The options of a server with TLS. */
export const TLS_OPTIONS: OptionTable<TlsOptions> = { cert: defined(checkText), key: defined(checkText) };

/** Throws a TypeError (`invalid_argument`) unless it is a certificate with its key; not every runtime looks before a client comes. */
export function checkTls(tls: unknown): asserts tls is TlsOptions {
  checkOptions<TlsOptions>("tls", tls, TLS_OPTIONS, "tls.");
  checkKeyPair("tls", tls);
}

/** Throws a TypeError (`invalid_argument`) unless certificate and key belong together. */
export function checkKeyPair(name: string, { cert, key }: TlsOptions): void {
  if (cert === undefined || key === undefined) throw invalidArgument(`${name} needs cert and key, both in PEM`);
  if (!matches(cert, key)) {
    throw invalidArgument(`${name}.cert and ${name}.key are not a certificate and its key in PEM`);
  }
}

function matches(cert: string, key: string): boolean {
  // Loaded for those alone who serve with TLS.
  const { createPrivateKey, X509Certificate } = process.getBuiltinModule("node:crypto");
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
