import { Buffer } from "node:buffer";
import process from "node:process";
import type { Arguments } from "./arguments.ts";
import { UsageError } from "./command.ts";

/** The message of an argument: text as it is, `-` for standard input, with `--base64` bytes. */
export async function messageArgument(args: Arguments, text: string): Promise<{ data: Uint8Array; binary: boolean }> {
  const binary = args.flag("base64");
  const given = text === "-" ? await standardInput() : new TextEncoder().encode(text);
  if (!binary) return { data: given, binary };
  const letters = new TextDecoder().decode(given).trim();
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(letters)) throw new UsageError("with --base64 the message must be base64");
  return { data: new Uint8Array(Buffer.from(letters, "base64")), binary };
}

async function standardInput(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) {
    chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk as Buffer);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
