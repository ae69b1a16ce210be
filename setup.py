"""Builds ``mx_driving._operators``, the operators of ``csrc/``; everything else stands in pyproject.toml.

``MX_DRIVING_BUILD_OPS=0`` builds the package without them: pure Python, for environments that have no torch.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.append(str(ROOT / "build_support"))  # a build front end puts neither on the path

import needs  # noqa: E402

needs.check_tools()
needs.check_command(*sys.argv[1:2])

from description import long_description  # noqa: E402
from operators import extension_arguments  # noqa: E402
from setuptools import setup  # noqa: E402
from start_files import commands  # noqa: E402

arguments = extension_arguments(sys.argv[1:])
setup(
    **{**arguments, "cmdclass": {**arguments.get("cmdclass", {}), **commands()}},
    long_description=long_description(ROOT / "README.md"),
    long_description_content_type="text/markdown",
)
