"""The store: persistence, indexes, undo."""

from decimal import Decimal

import pytest

from sandbox.store import SECRETS, Store

KIND = "vendor/thing"


def test_committed_documents_survive_in_order(tmp_path):
    path = str(tmp_path / "state.sqlite")
    store = Store(path)
    store.put(KIND, "b", {"n": 1})
    store.put(KIND, "a", {"price": Decimal("12.30"), "tags": [Decimal("0.1")]})
    store.commit()
    store.put(KIND, "b", {"n": 2})
    store.commit()
    store.put(KIND, "lost", {})
    store._db.close()  # as a killed process would
    again = Store(path)
    assert again.scan(KIND) == [{"n": 2}, {"price": Decimal("12.30"), "tags": [Decimal("0.1")]}]
    assert isinstance(again.get(KIND, "a")["price"], Decimal)


def test_deleted_documents_stay_deleted(tmp_path):
    path = str(tmp_path / "state.sqlite")
    store = Store(path)
    store.put(KIND, "a", {})
    store.commit()
    assert store.delete(KIND, "a") == {}
    assert store.delete(KIND, "a") is None
    store.close()
    assert Store(path).get(KIND, "a") is None


def test_sorted_index_follows_changes():
    store = Store()
    store.put(KIND, "early", {"at": 5})
    store.add_sorted(KIND, "at", lambda doc: doc["at"])
    for name, at in (("x", 9), ("y", 1), ("z", 9), ("none", None)):
        store.put(KIND, name, {"at": at, "name": name})
    assert [doc["at"] for doc in store.range(KIND, "at")] == [1, 5, 9, 9]
    store.put(KIND, "x", {"at": 0, "name": "x"})
    store.delete(KIND, "y")
    assert [doc["at"] for doc in store.range(KIND, "at", reverse=True)] == [9, 5, 0]
    assert [doc["at"] for doc in store.range(KIND, "at", low=5, high=5)] == [5]


def test_lookup_index_follows_changes():
    store = Store()
    store.add_lookup(KIND, "email", lambda doc: doc.get("email"))
    store.put(KIND, "1", {"email": "a@example.com", "id": 1})
    store.put(KIND, "2", {"email": "a@example.com", "id": 2})
    store.put(KIND, "2", {"email": "b@example.com", "id": 2})
    assert [doc["id"] for doc in store.lookup(KIND, "email", "a@example.com")] == [1]
    store.delete(KIND, "1")
    assert store.lookup(KIND, "email", "a@example.com") == []


def test_atomic_undoes_writes_of_a_failed_block():
    store = Store()
    store.add_lookup(KIND, "n", lambda doc: doc["n"])
    store.put(KIND, "kept", {"n": 1})
    with pytest.raises(ZeroDivisionError), store.atomic():
        store.put(KIND, "kept", {"n": 2})
        store.put(KIND, "new", {"n": 3})
        with store.atomic():
            store.delete(KIND, "kept")
        _ = 1 / 0
    assert store.scan(KIND) == [{"n": 1}]
    assert store.lookup(KIND, "n", 1) == [{"n": 1}] and store.lookup(KIND, "n", 2) == []


def test_inner_atomic_fails_alone():
    store = Store()
    with store.atomic():
        store.put(KIND, "outer", {"n": 1})
        with pytest.raises(KeyError), store.atomic():
            store.put(KIND, "inner", {"n": 2})
            raise KeyError
    assert store.scan(KIND) == [{"n": 1}]


def test_reset_spares_other_vendors_and_secrets(tmp_path):
    path = str(tmp_path / "state.sqlite")
    store = Store(path)
    for kind in (KIND, "other/thing", SECRETS + "/value"):
        store.put(kind, "a", {"n": 1})
    store.next_number("vendor/invoice")
    store.reset("vendor")
    assert store.kinds() == [SECRETS + "/value", "other/thing"]
    assert store.next_number("vendor/invoice") == 1
    store.reset()
    store.close()
    assert Store(path).kinds() == [SECRETS + "/value"]
