"""The delivery queue, driven with a sender and a receiver of its own."""

import asyncio
import json

import pytest
from aiohttp import web

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.store import Store
from sandbox.webhooks import Outgoing, Sender, Webhooks


class TwoRetries(Sender):
    """Posts the items as JSON; retries twice."""

    def build(self, delivery, attempt, bad_signature=False):
        body = json.dumps({"items": delivery["items"], "attempt": attempt, "good": not bad_signature})
        return Outgoing(delivery["url"], {"Content-Type": "application/json"}, body.encode())

    def next_delay(self, attempt):
        return 10.0 if attempt < 3 else None


class Rig:
    """Queue, worker and receiver in one event loop."""

    def __init__(self, answers=()):
        self.store, self.faults = Store(), Faults(seed=1)
        self.queue = Webhooks(self.store, Clock(self.store), self.faults, retry_scale=0.001)
        self.queue.register("v", TwoRetries())
        self.answers, self.received = list(answers), []

    async def receive(self, request):
        self.received.append(await request.json())
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    async def run(self, story, expected):
        """Serve, run the worker, call ``story(url)``, wait for ``expected`` posts."""
        app = web.Application()
        app.router.add_post("/hook", self.receive)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        worker = asyncio.ensure_future(self.queue.run())
        await asyncio.sleep(0)
        story(f"http://127.0.0.1:{port}/hook")
        for _i in range(300):
            if len(self.received) >= expected and not self.queue._running:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        worker.cancel()
        await runner.cleanup()


def play(rig, story, expected):
    asyncio.run(rig.run(story, expected))
    assert len(rig.received) == expected
    return [delivery["state"] for delivery in rig.queue.list()]


def test_failed_attempts_are_retried_until_accepted():
    rig = Rig(answers=[500, 404, 200])
    states = play(rig, lambda url: rig.queue.enqueue("v", url, [{"n": 1}]), 3)
    assert states == ["delivered"]
    assert [post["attempt"] for post in rig.received] == [1, 2, 3]
    assert [a["status"] for a in rig.queue.list()[0]["attempts"]] == [500, 404, 200]


def test_it_gives_up_by_policy():
    rig = Rig(answers=[500] * 5)
    assert play(rig, lambda url: rig.queue.enqueue("v", url, [{"n": 1}]), 3) == ["failed"]


def test_items_share_a_delivery_up_to_the_limit():
    rig = Rig()

    def story(url):
        for n in range(5):
            rig.queue.enqueue("v", url, [{"n": n}], max_batch=2, wait=0.05)

    play(rig, story, 3)
    assert sorted(len(post["items"]) for post in rig.received) == [1, 2, 2]


def test_duplicate_and_bad_signature_faults():
    rig = Rig()
    rig.faults.add({"vendor": "v", "kind": "webhook_duplicate", "copies": 3, "times": 1})
    rig.faults.add({"vendor": "v", "kind": "webhook_bad_signature", "times": 1})
    assert play(rig, lambda url: rig.queue.enqueue("v", url, [{"n": 1}]), 3) == ["delivered"]
    assert {post["good"] for post in rig.received} == {False}


def test_reorder_fault_lets_the_second_overtake():
    rig = Rig()
    rig.faults.add({"vendor": "v", "kind": "webhook_reorder", "ms": 150, "times": 1})

    def story(url):
        rig.queue.enqueue("v", url, [{"n": 1}])
        rig.queue.enqueue("v", url, [{"n": 2}])

    play(rig, story, 2)
    assert [post["items"][0]["n"] for post in rig.received] == [2, 1]


def test_drop_fault_sends_nothing():
    rig = Rig()
    rig.faults.add({"vendor": "v", "kind": "webhook_drop", "times": 1})
    assert play(rig, lambda url: rig.queue.enqueue("v", url, [{"n": 1}]), 0) == ["dropped"]
    assert rig.queue.list()[0]["attempts"] == []


def test_resend_posts_once_more():
    rig = Rig()

    def story(url):
        rig.queue.enqueue("v", url, [{"n": 1}])
        asyncio.get_running_loop().call_later(0.2, rig.queue.resend, "1")

    assert play(rig, story, 2) == ["delivered"]


def test_an_undone_change_sends_nothing():
    rig = Rig()

    def story(url):
        with pytest.raises(KeyError), rig.store.atomic():
            rig.queue.enqueue("v", url, [{"n": 1}])
            raise KeyError

    assert play(rig, story, 0) == []
