"""Settings of all tests."""

from hypothesis import settings

# A busy machine is slow now and then: how long an example takes says nothing.
settings.register_profile("cornerstone", deadline=None)
settings.load_profile("cornerstone")
