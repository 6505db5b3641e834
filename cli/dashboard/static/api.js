/** The calls of the page. The key is in this tab alone, and is never in a URL that is sent. */

const STORED = "meshsocket.key";

/** The calls failed because the key is missing or wrong. */
export class WrongKey extends Error {}

/** Takes the key out of the address, where `npx meshsocket dashboard` puts it. */
export function takeKey() {
  const found = /^#key=([^&]+)/.exec(location.hash);
  if (!found) return;
  sessionStorage.setItem(STORED, decodeURIComponent(found[1]));
  history.replaceState(null, "", "#/");
}

export function setKey(key) {
  sessionStorage.setItem(STORED, key);
}

function headers() {
  return { authorization: `Bearer ${sessionStorage.getItem(STORED) ?? ""}` };
}

/** Asks for something. Rejects with the text of the node or of the network. */
export async function get(name, query = {}, signal) {
  return await answerOf(await fetch(`api/${name}?${new URLSearchParams(query)}`, { headers: headers(), signal }));
}

/** Changes something. */
export async function post(name, body) {
  return await answerOf(
    await fetch(`api/${name}`, { method: "POST", headers: headers(), body: JSON.stringify(body) }),
  );
}

/** Calls `onMessage` with each line of a stream until the signal is aborted, or the stream ends. */
export async function stream(name, query, signal, onMessage) {
  const response = await fetch(`api/${name}?${new URLSearchParams(query)}`, { headers: headers(), signal });
  if (!response.ok) await answerOf(response);
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunksOf(response.body)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines) onMessage(JSON.parse(line));
  }
}

async function* chunksOf(body) {
  const reader = body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}

async function answerOf(response) {
  const answer = await response.json();
  if (response.status === 401) throw new WrongKey(answer.error);
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
