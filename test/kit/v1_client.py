"""A client of meshsocket.v1 written from docs/protocol.md alone: `v1_client.py FIRST_URL SECOND_URL`.

It connects to the first node, drops the connection after one message without a close frame, and comes back on the second.
Each line on its standard output is a JSON array: what happened, and to what.
"""

import asyncio
import json
import sys

import websockets

PROTOCOL = "meshsocket.v1"


class Client:
    def __init__(self):
        self.received = 0  # counted messages from the server
        self.kept = []  # counted messages that the server has not acknowledged
        self.acked = 0
        self.token = ""
        self.calls = 0
        self.topics = []  # what to subscribe to again if the client is new

    async def connect(self, url):
        offers = [PROTOCOL]
        if self.token:
            offers.append(f"meshsocket.resume.{self.received}.{self.token}")
        self.ws = await websockets.connect(url, subprotocols=offers)
        hello = json.loads((await self.ws.recv())[len("~hello ") :])
        report("hello", hello["resumed"])
        self.token = hello["token"]
        if hello["resumed"]:
            self.acknowledged(hello["handled"])
        else:
            self.received, self.acked, self.kept = 0, 0, []
            for topic in self.topics:
                self.kept.append(self.subscription(topic))
        await self.ws.send(f"~ack {self.received}")
        for message in self.kept[hello["received"] - self.acked :]:
            await self.ws.send(message)

    def acknowledged(self, count):
        self.kept = self.kept[count - self.acked :]
        self.acked = count

    async def send(self, message):
        self.kept.append("~" + message if message.startswith("~") else message)
        await self.ws.send(self.kept[-1])

    async def subscribe(self, topic):
        self.topics.append(topic)
        self.kept.append(self.subscription(topic))
        await self.ws.send(self.kept[-1])

    def subscription(self, topic):
        self.calls += 1
        return f"~subscribe {self.calls} " + json.dumps({"topic": topic})

    async def next(self):
        """The next message of the application; control lines on the way are obeyed."""
        while True:
            data = await self.ws.recv()
            if data[:1] != "~" or data[1:2] == "~":
                self.received += 1
                return data[1:] if data[:1] == "~" else data
            name, _, argument = data[1:].partition(" ")
            if name == "ack":
                self.acknowledged(int(argument))
            elif name == "ping":
                await self.ws.send(f"~pong {argument} 0")
            elif name in ("subscribed", "error", "reply", "published"):
                self.received += 1
                report(name, argument)
            elif name == "message":
                self.received += 1
                head, _, payload = argument.partition("\n")
                return [json.loads(head)["topic"], payload]
            elif name == "request":
                self.received += 1
                number, _, payload = argument.partition("\n")
                self.kept.append(f"~reply {number}\n{payload}!")
                await self.ws.send(self.kept[-1])


def report(*what):
    print(json.dumps(what), flush=True)


async def main(first, second):
    client = Client()
    await client.connect(first)
    await client.send("~from python")
    report("message", await client.next())
    await client.subscribe("room:1")
    await client.subscribe("secret")
    report("message", await client.next())
    client.ws.transport.abort()
    report("dropped")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await client.connect(second)
    for _ in range(3):
        report("message", await client.next())
    await client.send("after the move")
    report("message", await client.next())
    await client.ws.close()


asyncio.run(main(*sys.argv[1:]))
