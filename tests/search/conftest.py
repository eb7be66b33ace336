"""The toy study and its listener, for every test here."""

from __future__ import annotations

from tests.toy_search import log as log
from tests.toy_search import study as study
