"""Pictures are what these tests are about."""

import pytest


@pytest.fixture(autouse=True)
def as_users_get_them(painted):
    """With their pixels."""
