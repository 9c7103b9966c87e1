"""One pipeline for the tests of a file: each waits until it is healthy, strikes it, and sees it well again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.rig import Pipeline, config_of


@pytest.fixture(scope="module")
def shared_pipeline() -> Iterator[Pipeline]:
    made = Pipeline(config_of())
    try:
        yield made.open()
    finally:
        made.close()


@pytest.fixture
def pipeline(shared_pipeline: Pipeline) -> Pipeline:
    shared_pipeline.until_healthy()
    return shared_pipeline
