"""Edit a talking-head video by editing its transcript."""

import os

__version__ = "0.1.0"

# Libraries that would report how they are used read this when they are imported, here and in every process from here.
os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", RAY_USAGE_STATS_ENABLED="0")
