"""Compiles the modules in ``src/howdah/native`` when howdah is installed; run by itself, it compiles them in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension

ROOT = Path(__file__).parent
_NATIVE = ROOT / "src" / "howdah" / "native"
_DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "freethreading_compatible": False,
}


def compile_in_place() -> None:
    """Make a shared library beside each source file."""
    extensions = [
        Extension(
            f"howdah.native.{source.stem}",
            [str(source.relative_to(ROOT))],
            depends=[str(header.relative_to(ROOT)) for header in sorted(_NATIVE.glob("*.h"))],
            libraries=["sqlite3"],
            extra_compile_args=["-O3", "-Wall", "-Wextra", "-Wno-unused-parameter"],
        )
        for source in sorted(_NATIVE.glob("*.pyx"))
    ]
    modules = cythonize(extensions, build_dir="build/native", compiler_directives=_DIRECTIVES)
    distribution = Distribution({"name": "howdah", "package_dir": {"": "src"}, "ext_modules": modules})
    command = distribution.get_command_obj("build_ext")
    command.build_temp = "build/native"
    command.inplace = True
    command.ensure_finalized()
    command.run()


class NativeModules(BuildHookInterface[Any]):
    """Has hatchling put the shared libraries into the wheel, which is for this platform then."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's interface
        """Compile, before files are chosen."""
        compile_in_place()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append("src/howdah/native/*.so")


if __name__ == "__main__":
    compile_in_place()
