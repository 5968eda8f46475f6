"""The store: durable documents, transactions, a bounded log."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubefort_coordinator.store import sqlite
from kubefort_coordinator.store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "state/kubefort.db")


def test_documents_are_there_after_opening_again(store: SqliteStore, tmp_path: Path) -> None:
    store.put("host", "b", b"1")
    store.put("host", "a", b"2")
    store.put("host", "b", b"3")
    again = SqliteStore(tmp_path / "state/kubefort.db")
    assert again.items("host") == [("b", b"3"), ("a", b"2")]
    assert again.get("host", "c") is None
    assert again.get("token", "a") is None


def test_a_failed_transaction_leaves_nothing(store: SqliteStore) -> None:
    store.put("host", "a", b"old")

    def work() -> None:
        with store.transaction():
            store.put("host", "a", b"new")
            with store.transaction():
                store.put("host", "b", b"new")
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert store.items("host") == [("a", b"old")]


def test_an_uncommitted_write_is_not_seen_by_others(store: SqliteStore, tmp_path: Path) -> None:
    other = SqliteStore(tmp_path / "state/kubefort.db")
    with store.transaction():
        store.put("host", "a", b"1")
        assert other.get("host", "a") is None
    assert other.get("host", "a") == b"1"


def test_every_commit_is_synced(store: SqliteStore) -> None:
    assert store._database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_file_is_for_its_owner_only(store: SqliteStore, tmp_path: Path) -> None:
    assert (tmp_path / "state/kubefort.db").stat().st_mode & 0o777 == 0o600


def test_old_events_make_room(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "EVENTS_KEPT", 3)
    numbers = [store.add_event(str(n).encode()) for n in range(5)]
    assert [body for _, body in store.events()] == [b"2", b"3", b"4"]
    assert store.events(numbers[3]) == [(numbers[4], b"4")]


def test_deleting_says_whether_there_was_one(store: SqliteStore) -> None:
    store.put("token", "a", b"1")
    assert (store.delete("token", "a"), store.delete("token", "a")) == (True, False)
