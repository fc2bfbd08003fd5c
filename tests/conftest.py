"""What holds for every test."""

import os

from hypothesis import settings

# No test opens a window. Matplotlib reads this when it is imported, which no test does before.
os.environ["MPLBACKEND"] = "Agg"

# "ci" tries the same examples in every run, so that a change is judged by what it changes.
# HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("search", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
