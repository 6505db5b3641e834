/** One thing that the doctor looked at: fine, worth knowing, or wrong. */
export interface Diagnosis {
  readonly check: "storage" | "secret" | "nodes" | "clock" | "versions" | "address" | "page";
  readonly level: "ok" | "note" | "wrong";
  readonly text: string;
  /** The change to make; "" if nothing is wrong. */
  readonly fix: string;
}

/** Something is as it should be. */
export function ok(check: Diagnosis["check"], text: string): Diagnosis {
  return { check, level: "ok", text, fix: "" };
}

/** Something keeps the cluster from working, or will. */
export function wrong(check: Diagnosis["check"], text: string, fix: string): Diagnosis {
  return { check, level: "wrong", text, fix };
}

/** Something that is right for some deployments, and not for others. */
export function note(check: Diagnosis["check"], text: string, fix: string): Diagnosis {
  return { check, level: "note", text, fix };
}
