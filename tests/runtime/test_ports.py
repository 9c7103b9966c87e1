"""Ports of a run: free, each once, and none that outgoing connections could take."""

from __future__ import annotations

import socket

import pytest

from runtime import ports
from runtime.ports import PORTS, NoPort, free_ports


def test_each_name_gets_a_port_of_its_own_below_those_of_outgoing_connections() -> None:
    found = free_ports(["ml", "footprint", "execution"])
    assert list(found) == ["ml", "footprint", "execution"]
    assert len(set(found.values())) == 3
    assert all(port in PORTS and port < 32_768 for port in found.values())


def test_a_port_in_use_is_passed_over() -> None:
    taken = free_ports(["ml"])["ml"]
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", taken))
        assert free_ports(["ml"])["ml"] != taken


def test_no_port_at_all_says_where_it_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = free_ports(["ml"])["ml"]
    monkeypatch.setattr(ports, "PORTS", range(taken, taken + 1))
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", taken))
        with pytest.raises(NoPort, match=f"from {taken} to {taken}"):
            free_ports(["ml"])
