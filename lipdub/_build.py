"""The build step of the package: the ``weights`` folder of the checkout becomes ``lipdub/weights_data`` of a wheel.

Setuptools loads this module while it builds (``[tool.setuptools.cmdclass]`` in pyproject.toml); nothing else uses it.
An editable install reads the checkout's folder itself (``lipdub.weights.shipped_files``).
"""

from __future__ import annotations

from pathlib import Path

from setuptools.command.build_py import build_py

SOURCE = Path("weights")
TARGET = Path("lipdub", "weights_data")
PATTERNS = ("*.safetensors", "*.md", "*.json", "SHA256SUMS")


class BuildPackage(build_py):
    """Build the Python package with the weights inside."""

    def run(self) -> None:
        """Copy the modules, then the weights."""
        super().run()
        if self.editable_mode:
            return
        for source, target in self._weights():
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target), preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return what was built, for the record of installed files."""
        weights = [] if self.editable_mode else [str(target) for _, target in self._weights()]
        return [*super().get_outputs(include_bytecode), *weights]

    def get_source_files(self) -> list[str]:
        """Return what a source distribution must hold."""
        return [*super().get_source_files(), *(str(source) for source, _ in self._weights())]

    def _weights(self) -> list[tuple[Path, Path]]:
        sources = sorted(path for pattern in PATTERNS for path in SOURCE.glob(pattern))
        return [(path, Path(self.build_lib) / TARGET / path.name) for path in sources]
