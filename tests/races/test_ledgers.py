"""Two sealers at the same time, and changes that are committed late; two who renew a token at the same time."""

from __future__ import annotations

import pytest

ACCOUNT = {"Name": "Zeppelin Works", "Email": "post@zeppelin.example"}


# === Seals ===#


def seals(world):
    """Return [(number, spans)] of the seals."""
    return world.stage.query("SELECT number, spans FROM sync_seal ORDER BY number")


def changes(world):
    """Return the ids of the applied changes."""
    return [row[0] for row in world.stage.query("SELECT id FROM sync_change WHERE verdict = 'applied' ORDER BY id")]


def assert_intact(world):
    """Every change is in one seal, and verification finds nothing."""
    from odoo.addons.crm_sync_base.lib import spans

    covered = [number for _number, text in seals(world) for number in spans.ids(spans.load(text))]
    assert sorted(covered) == changes(world)

    def verify(env):
        check = env["sync.seal.check"]._begin()
        check._run_all()
        return check.state, check.finding_ids.mapped("kind")

    assert world.do(verify) == ("intact", [])


def sealing(env):
    """Seal as the scheduled action does."""
    env["sync.seal"]._cron_seal()


def test_of_two_sealers_one_seals(world):
    """The second does not wait, and leaves it to the first."""
    world.arrive("a1", **ACCOUNT)
    one, other = world.request("root", sealing), world.request("root", sealing)
    assert not world.race(one, other)
    assert (one.error, other.error) == (None, None)
    assert len(seals(world)) == 1
    assert_intact(world)


def test_a_sealer_with_an_old_snapshot_begins_again(world):
    """It would seal again what another one has sealed since, under the number of that seal."""
    world.arrive("a1", **ACCOUNT)
    late = world.request("root", sealing)
    world.finish(world.request("root", sealing).actor)
    world.finish(late.actor)
    assert late.error is None
    assert [number for number, _spans in seals(world)] == [1]
    assert_intact(world)


def seal_beside_a_late_change(world):
    """A change gets its id, another one is recorded and sealed, then the first is committed."""
    from tests.model.connector import Door

    Door.remote.put("Account", "a1", **ACCOUNT)
    world.deliver_all()
    late = world.worker_until("worked")
    Door.remote.put("Account", "a2", Name="Balloon Works", Email="post@balloon.example")
    world.deliver_all()
    world.finish(world.worker_until("worked"))
    world.finish(world.request("root", sealing).actor)
    early = changes(world)
    world.finish(late)
    assert min(changes(world)) < min(early), "it had its id before"
    world.finish(world.request("root", sealing).actor)
    assert len(seals(world)) == 2
    assert_intact(world)


def test_a_change_that_is_committed_late_is_sealed_later(world):
    """The first seal covers what was committed, and not what lies before it."""
    seal_beside_a_late_change(world)


def test_seals_of_ranges_would_lose_it(world):
    """Whoever seals from the last id on takes the late change for one that is gone."""
    original = world.registry["sync.seal.note"]._take

    def ranges(notes, limit):
        taken, covered, unvouched = original(notes, limit)
        return taken, [(min(low for low, _high in covered) - 1, covered[-1][1])] if covered else [], unvouched

    with world.broken("sync.seal.note", "_take", ranges), pytest.raises(AssertionError):
        seal_beside_a_late_change(world)


# === Tokens ===#


@pytest.fixture
def account(world):
    """The id of a HubSpot connection with a token that has run out."""

    def create(env):
        connection = env["sync.connection"].create(
            {"name": "HubSpot", "provider": "hubspot", "base_url": "http://127.0.0.1:9", "api_version": "1"}
        )
        connection._store_credentials({"refresh_token": "first", "access_token": "old", "expires_at": "1"})
        return connection.id

    account = world.do(create)
    yield account
    world.stage.clear()
    world.do(lambda env: env["sync.connection"].browse(account).unlink())


class Endpoint:
    """The vendor's token endpoint: a refresh token is good once."""

    def __init__(self):
        self.calls = []

    def __call__(self, form):
        """Give a new token for the present refresh token."""
        self.calls.append(form["refresh_token"])
        number = len(self.calls)
        return {"access_token": f"access {number}", "refresh_token": f"refresh {number}", "expires_in": 1800}


def renewing(account, endpoint):
    """Return what asks for a token that is good for the next call, as a client does."""

    def play(env):
        from odoo.addons.crm_sync_hubspot.lib.tokens import OAuthToken
        from odoo.addons.crm_sync_hubspot.models.token_store import ConnectionTokenStore

        store = ConnectionTokenStore(env["sync.connection"].browse(account))
        return OAuthToken("id", "secret", store, endpoint).current()

    return play


def renew_at_once(world, account):
    """Two workers need a new token at the same moment."""
    endpoint = Endpoint()
    one = world.request("root", renewing(account, endpoint))
    other = world.request("root", renewing(account, endpoint))
    assert world.race(one, other), "the second waits for the first"
    assert (one.error, other.error) == (None, None)
    assert endpoint.calls == ["first"], "one call"
    assert (one.result, other.result) == ("access 1", "access 1")
    assert other.tries == 1, "nothing of what it did before is lost"
    assert world.one("SELECT state FROM sync_connection WHERE id = %s", account) != "paused"


def test_a_token_is_renewed_once(world, account):
    """The second waits, and finds the token of the first."""
    renew_at_once(world, account)


def test_without_the_lock_it_would_be_renewed_twice(world, account):
    """And the refresh token of the second would have been used up by the first."""
    with world.broken("sync.connection", "_lock_credentials", lambda self: None), pytest.raises(AssertionError):
        renew_at_once(world, account)


def test_a_token_is_renewed_in_the_middle_of_a_transaction(world, account):
    """Whoever has written what refers to the connection does not wait for himself."""
    endpoint = Endpoint()

    def play(env):
        env["sync.hold"].create({"name": "Stop", "scope": "connection", "connection_id": account}).flush_recordset()
        return renewing(account, endpoint)(env)

    asked = world.request("root", play)
    world.finish(asked.actor)
    assert asked.said == ""
    assert asked.result == "access 1"
