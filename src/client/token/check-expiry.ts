import { kindOf } from "../../base/check/check.ts";
import { invalidArgument } from "../../base/error.ts";

/** Throws a TypeError (`invalid_argument`) unless it is a time in milliseconds since 1970, or Infinity. */
export function checkExpiry(name: string, value: unknown): asserts value is number {
  if (typeof value !== "number" || !(value >= 0)) {
    const instead = value instanceof Date ? ": write date.getTime()" : "";
    throw invalidArgument(`${name} must be milliseconds since 1970, not ${shown(value)}${instead}`);
  }
  if (value < LEAST_MS) {
    throw invalidArgument(
      `${name} must be milliseconds since 1970, not ${value}: write 1000 * exp for the exp of a JWT`,
    );
  }
}

/** Smaller numbers are seconds: as milliseconds they would be in 1973 at the latest. */
const LEAST_MS = 100_000_000_000;

function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : kindOf(value);
}
