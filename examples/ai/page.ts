// The page of the chat, without a framework. In React it is one line:
// useChat({ id, resume: true, transport: new WebSocketChatTransport({ url: "/chat" }) })
import { AbstractChat, type ChatState, type ChatStatus, type UIMessage, WebSocketChatTransport } from "ai";

const id = location.hash.slice(1) || "1";
const element = (name: string): HTMLElement => document.getElementById(name) as HTMLElement;

/** The messages of the chat, which are shown whenever they change. The page keeps them over a reload; in a project of yours the server does. */
class State implements ChatState<UIMessage> {
  #status: ChatStatus = "ready";
  error: Error | undefined;
  messages: UIMessage[] = JSON.parse(localStorage.getItem(id) ?? "[]") as UIMessage[];

  get status(): ChatStatus {
    return this.#status;
  }

  set status(status: ChatStatus) {
    this.#status = status;
    this.#show();
  }

  pushMessage = (message: UIMessage): void => {
    this.messages.push(message);
    this.#show();
  };

  popMessage = (): void => {
    this.messages.pop();
    this.#show();
  };

  replaceMessage = (index: number, message: UIMessage): void => {
    this.messages[index] = message;
    this.#show();
  };

  snapshot = <Thing>(thing: Thing): Thing => structuredClone(thing);

  #show(): void {
    localStorage.setItem(id, JSON.stringify(this.messages));
    element("state").textContent = this.#status;
    element("messages").replaceChildren(...this.messages.map(({ role, parts }) => {
      const item = document.createElement("li");
      item.className = role;
      item.textContent = parts.map((part) => part.type === "text" ? part.text : "").join("");
      return item;
    }));
  }
}

class Chat extends AbstractChat<UIMessage> {}

const chat = new Chat({
  id,
  state: new State(),
  transport: new WebSocketChatTransport({ url: "/chat" }),
  // The answer goes on at the server. Another node may have it.
  onError: ({ message }) => void (/network/.test(message) && setTimeout(() => void chat.resumeStream(), 500)),
});

element("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const { text } = (event.target as HTMLFormElement).elements as unknown as { text: HTMLInputElement };
  void chat.sendMessage({ text: text.value });
  text.value = "";
});
element("stop").addEventListener("click", () => void chat.stop());

// An answer may be under way: the page was reloaded, or it is another tab.
void chat.resumeStream();
