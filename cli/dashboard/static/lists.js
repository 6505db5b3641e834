/** The pages of all clients and of all topics: searched by a part of the name, a page at a time. */
import { get } from "./api.js";
import { ago, bytes, el, empty, setText, short } from "./dom.js";

const KINDS = {
  clients: {
    title: "Clients",
    head: [["Id"], ["State"], ["User"], ["Node"], ["Connected"], ["Topics", true], ["Buffer", true]],
    none: ["No clients", "Nobody is connected. A client appears here as soon as session() lets it in."],
    row: ({ id, away, user, host, sinceMs, topics, bufferedBytes }) => [
      el("td.name", { title: id }, el("a", { href: `#/clients/${encodeURIComponent(id)}` }, id)),
      el("td", {}, away ? el("span.chip.warn", {}, "away") : el("span.chip.good", {}, "connected")),
      el("td.dim", { "data-label": "User" }, user),
      el("td.dim", { "data-label": "Node" }, host),
      el("td.dim", { "data-label": "Since" }, ago(sinceMs)),
      el("td.num.skip-small", {}, String(topics.length)),
      el("td.num.skip-small", {}, bytes(bufferedBytes)),
    ],
    key: "id",
  },
  topics: {
    title: "Topics",
    head: [["Topic"], ["Listeners", true], ["Nodes"]],
    none: ["No topics", "Nobody listens. A topic appears here with its first listener: await client.subscribe(topic)."],
    row: ({ topic, listeners, hosts }) => [
      el("td.name", { title: topic }, el("a", { href: `#/topics/${encodeURIComponent(topic)}` }, topic)),
      el("td.num", { "data-label": "Listeners" }, short(listeners)),
      el("td.dim", {}, hosts.join(", ")),
    ],
    key: "topic",
  },
};

export class ListPage {
  /** The last names of the pages before this one. */
  #path = [];
  #search = "";
  #asked = 0;

  constructor(name) {
    this.name = name;
    this.kind = KINDS[name];
    this.title = this.kind.title;
    this.sub = el("p.sub", { role: "status" }, " ");
    this.rows = el("tbody");
    this.body = el("div.rows");
    this.back = el("button", { type: "button", disabled: true, onclick: () => this.#turn(-1) }, "Previous");
    this.next = el("button", { type: "button", disabled: true, onclick: () => this.#turn(1) }, "Next");
    this.where = el("span");
    const input = el("input.search", {
      type: "search",
      placeholder: `Search ${name}`,
      "aria-label": `Search ${name} by a part of the name`,
      oninput: () => this.#typed(input.value),
    });
    this.element = el(
      "div.stack",
      {},
      el("div.head", {}, el("div", {}, el("h1", {}, this.kind.title), this.sub), el("div.tools", {}, input)),
      el(
        "section.card",
        { "aria-label": this.kind.title },
        this.body,
        el("div.pager", {}, this.where, this.back, this.next),
      ),
    );
    const head = this.kind.head.map(([text, right]) => el(right ? "th.num" : "th", { scope: "col" }, text));
    this.table = el(
      "div.scroll",
      {},
      el("table.cards", {}, el("caption.sr", {}, this.kind.title), el("thead", {}, el("tr", {}, ...head)), this.rows),
    );
    this.body.append(this.table);
    const bones = this.kind.head.map((_, at) =>
      el("td", {}, at === 0 ? el("span.bone", {}, "a name that is loading") : "")
    );
    this.rows.append(el("tr", {}, ...bones));
  }

  enter(failed) {
    this.failed = failed;
    void this.#load();
  }

  #typed(text) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.#search = text;
      this.#path = [];
      void this.#load();
    }, 150);
  }

  #turn(by) {
    if (by > 0) this.#path.push(this.last);
    else this.#path.pop();
    void this.#load();
  }

  async #load() {
    const asked = ++this.#asked;
    this.body.classList.add("busy");
    try {
      const answer = await get(this.name, { search: this.#search, after: this.#path.at(-1) ?? "" });
      if (asked === this.#asked) this.#show(answer);
    } catch (error) {
      if (asked === this.#asked) this.failed(error);
    } finally {
      this.body.classList.remove("busy");
    }
  }

  #show({ total, unheard, [this.name]: found }) {
    this.rows.replaceChildren(...found.map((one) => this.#row(one)));
    const [title, text] = this.#search === ""
      ? this.kind.none
      : [`No match for “${this.#search}”`, "The search looks for a part of the name, as it is written."];
    this.body.replaceChildren(found.length > 0 ? this.table : empty(title, text));
    this.last = found.at(-1)?.[this.kind.key];
    const first = this.#path.length * 25 + 1;
    setText(
      this.where,
      found.length > 0
        ? `${first.toLocaleString("en")}–${(first + found.length - 1).toLocaleString("en")} of ${
          total.toLocaleString("en")
        }`
        : "",
    );
    const missing = unheard.length > 0
      ? ` · without ${unheard.map(({ host }) => host).join(", ")}, which did not answer`
      : "";
    setText(this.sub, `${total.toLocaleString("en")} ${this.#search === "" ? "on all nodes" : "match"}${missing}`);
    this.back.disabled = this.#path.length === 0;
    this.next.disabled = found.length < 25 || first + found.length > total;
  }

  #row(one) {
    const cells = this.kind.row(one);
    const open = (event) => {
      if (event.target.tagName !== "A") location.hash = cells[0].querySelector("a").getAttribute("href");
    };
    return el("tr.link", { onclick: open }, ...cells);
  }

  leave() {
    clearTimeout(this.timer);
    this.#asked++;
  }
}
