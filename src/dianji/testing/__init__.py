"""What the author of a component gets: toys, and a contract to test each kind of component with. Needs pytest.

A component's test is a class::

    class TestFocal(MetricContract):
        component = Focal
"""

import pkgutil

import pytest

# Before any of them is imported, so that their asserts say what was compared.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
