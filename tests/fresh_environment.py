"""A fresh virtual environment with nothing from the network: it sees the packages of this one, and has room for plugins of its own."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def fresh(folder: Path) -> Path:
    """Make an environment in `folder`; returns its Python. It takes a second and some kilobytes."""
    venv.create(folder, with_pip=False, symlinks=True)
    # A path file is read after the environment's own packages. addsitedir also reads the path files there: of editable installs.
    parent = sysconfig.get_paths()["purelib"]
    (folder / SITE / "parent.pth").write_text(f"import site; site.addsitedir({parent!r})\n")
    script = folder / "bin" / "scorekit"
    script.write_text(
        f"#!{folder / 'bin' / 'python'}\nimport sys\nfrom scorekit.host.cli import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    return folder / "bin" / "python"


def wheel(source: Path, out: Path) -> Path:
    """Build the package in the folder `source`, with the setuptools that are here; returns the wheel."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [made] = out.glob("*.whl")
    return made


def install(python: Path, made: Path) -> None:
    """Install a pure wheel: by unpacking it, which needs no installer."""
    zipfile.ZipFile(made).extractall(python.parent.parent / SITE)


def run(
    python: Path, *arguments: str, cwd: Path, timeout: float = 600, **extra: str
) -> "subprocess.CompletedProcess[str]":
    """`python ...` in the environment, as after its activation; or, for a first word that is no option, the script of that name."""
    command = (
        [str(python), *arguments]
        if arguments[0].startswith("-")
        else [str(python.parent / arguments[0]), *arguments[1:]]
    )
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTHON", "VIRTUAL_ENV", "PYTEST", "SCOREKIT"))
    }
    said = {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
    }
    return subprocess.run(
        command,
        cwd=cwd,
        env={**inherited, **said, **extra},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
