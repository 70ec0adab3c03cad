"""The package: its types are marked, its wire types are those of the server, its documents run."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

import countersign

PACKAGE = Path(__file__).resolve().parents[1]


def test_the_wire_types_are_those_of_the_document() -> None:
    done = subprocess.run([sys.executable, PACKAGE / "tools" / "wire.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_package_says_that_it_is_typed() -> None:
    assert resources.files("countersign").joinpath("py.typed").is_file()
    assert sorted(countersign.__all__) == countersign.__all__
    assert all(hasattr(countersign, name) for name in countersign.__all__)


def test_the_package_builds_and_brings_its_licence(tmp_path: Path) -> None:
    build = "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, tmp_path], cwd=PACKAGE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = subprocess.run([sys.executable, "-m", "zipfile", "-l", wheel], capture_output=True, text=True).stdout
    for name in ("countersign/py.typed", "countersign/langgraph/__init__.py", "licenses/LICENSE", "countersign/testing/world.py"):
        assert name in names
    assert "tests/" not in names


def test_versions_agree() -> None:
    assert f'version = "{countersign.__version__}"' in (PACKAGE / "pyproject.toml").read_text()
