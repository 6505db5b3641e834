/** A member of a topic, with its info as JSON ("" for none). */
export interface PresentMember {
  readonly id: string;
  readonly info: string;
  /** Whose client it is; empty or undefined for nobody's. */
  readonly user?: string | undefined;
}

/** A change of a {@link PresenceView}. */
export interface PresenceChange extends PresentMember {
  readonly type: "join" | "leave" | "update";
  /** Of an update: the info until then. */
  readonly infoBefore?: string;
}

interface Present {
  info: string;
  user: string | undefined;
  /** The nodes that have it, each with its info, the newest last; two for a moment while an id moves. */
  readonly sources: Map<string, string>;
  /** Set while the member was replaced and has not come back: at its end it has left. */
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * The members that are present, from the reports of several nodes about their own clients.
 *
 * Each source gives a snapshot, then changes; after a break, another snapshot, whose difference becomes the changes.
 * A member joins when its first source has it and leaves when its last has not; one whose id was taken over gets time to
 * come back on its new connection, so that a takeover is neither. It is updated when a source has another info for it.
 */
export class PresenceView {
  readonly #members = new Map<string, Present>();
  readonly #graceMs: number;
  readonly #onChange: (change: PresenceChange) => void;

  constructor(graceMs: number, onChange: (change: PresenceChange) => void) {
    this.#graceMs = graceMs;
    this.#onChange = onChange;
  }

  /** The members that are present now. */
  *members(): Iterable<PresentMember> {
    for (const [id, { info, user }] of this.#members) yield { id, info, user };
  }

  /** All that a source has. */
  snapshot(source: string, members: readonly PresentMember[]): void {
    const ids = new Set(members.map(({ id }) => id));
    for (const [id, present] of this.#members) {
      if (present.sources.has(source) && !ids.has(id)) this.left(source, id, false);
    }
    for (const member of members) this.joined(source, member);
  }

  /** A source has a member, or another info for it. An id that another user's client has now leaves and joins. */
  joined(source: string, member: PresentMember): void {
    const { id, info } = member;
    const user = member.user || undefined;
    const present = this.#members.get(id);
    if (!present) {
      this.#members.set(id, { info, user, sources: new Map([[source, info]]), timer: undefined });
      this.#onChange({ type: "join", id, info, user });
      return;
    }
    clearTimeout(present.timer);
    present.timer = undefined;
    // A source that had it before is still the newest only if no other came since.
    present.sources.set(source, info);
    const before = { id, info: present.info, user: present.user };
    if (before.user === user) return this.#show(id, present);
    present.info = info;
    present.user = user;
    this.#onChange({ type: "leave", ...before });
    this.#onChange({ type: "join", id, info, user });
  }

  /** Shows the info that the newest source has. */
  #show(id: string, present: Present): void {
    const info = [...present.sources.values()].at(-1) ?? present.info;
    if (info === present.info) return;
    const infoBefore = present.info;
    present.info = info;
    this.#onChange({ type: "update", id, info, user: present.user, infoBefore });
  }

  /** `replaced`: a newer connection has the id and may join in its place. */
  left(source: string, id: string, replaced: boolean): void {
    const present = this.#members.get(id);
    if (!present?.sources.delete(source)) return;
    if (present.sources.size > 0) return this.#show(id, present);
    if (replaced) present.timer = setTimeout(() => this.#gone(id, present), this.#graceMs);
    else this.#gone(id, present);
  }

  /** A source is gone, and with it whom only it had. */
  sourceGone(source: string): void {
    for (const [id, { sources }] of this.#members) if (sources.has(source)) this.left(source, id, false);
  }

  /** Reports no more changes. */
  close(): void {
    for (const { timer } of this.#members.values()) clearTimeout(timer);
    this.#members.clear();
  }

  #gone(id: string, { info, user }: Present): void {
    if (this.#members.delete(id)) this.#onChange({ type: "leave", id, info, user });
  }
}
