"""The models' copy of the feature vector's contract is the features' own."""

from __future__ import annotations

import numpy as np
import pytest

from features import families, registry
from models import contract
from shm.layouts import FEATURE_COUNT


def test_names_and_order() -> None:
    assert contract.FEATURE_NAMES == registry.NAMES
    assert len(contract.FEATURE_NAMES) == FEATURE_COUNT


def test_families_bits_and_causes() -> None:
    assert tuple(family.name for family in families.FAMILIES) == contract.FAMILIES
    for number, family in enumerate(families.FAMILIES):
        assert family.ready == 1 << number
        assert contract.FAMILY_SIZES[number] == family.count
    assert {1 << bit: text for bit, text in contract.CAUSES.items()} == families.CAUSES
    assert {1 << bit for bit in contract.SILENCING} == {families.CAUSE_AUCTION, families.CAUSE_STALE}


def test_family_of_each_column() -> None:
    for column in registry.COLUMNS:
        assert contract.family_of(column.index) == column.family.name
    with pytest.raises(IndexError):
        contract.family_of(FEATURE_COUNT)


@pytest.mark.parametrize("needs", [(), ("returns",), ("volatility", "temporal")])
def test_readiness_agrees_with_the_features(needs: tuple[str, ...]) -> None:
    source = np.random.default_rng(3)
    for _ in range(300):
        ready = int(source.integers(0, 128)) | int(source.integers(0, 4)) << 16 | int(source.integers(0, 8)) << 32
        assert contract.why_not_ready(ready, needs) == families.missing(ready, needs)
        whole = ready & contract.ready_mask(needs) == contract.ready_mask(needs)
        assert (contract.why_not_ready(ready, needs) == "") is whole


def test_an_auction_or_a_stale_book_silences_a_ready_model() -> None:
    assert contract.why_not_ready(127 | families.CAUSE_AUCTION, ("returns",)) == "auction"
    assert contract.why_not_ready(127 | families.CAUSE_STALE, ("returns",)) == "the book is stale"
