"""Build hook: put registry.yaml of the repository's top into the wheel, not into editable installs.

A static ``force-include`` also runs for editable installs and would leave a folder
``site-packages/fieldguide`` without ``__init__.py``, which shadows a lost ``.pth`` file.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RegistryBuildHook(BuildHookInterface[Any]):
    """Adds ``fieldguide/registry.yaml`` to standard wheels."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file; ``version`` is hatchling's name of the kind of build."""
        if version == "standard":
            build_data["force_include"]["registry.yaml"] = "fieldguide/registry.yaml"
