"""Hypothesis without deadlines: few examples by default, many with HYPOTHESIS_PROFILE=ci."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# No deadline: a shared machine may stall any single example. No database: a run depends on the sources alone.
settings.register_profile("fast", max_examples=60, deadline=None, database=None)
settings.register_profile(
    "ci", max_examples=500, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
