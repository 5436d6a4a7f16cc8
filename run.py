"""Set up `.venv` when needed, then run one of the project's commands. Standard library only.

`./run` finds a Python and starts this file; on Windows start it as `py run.py`.
`docs/decisions/0001-one-command-setup.md` says why it is built like this.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
# In an activated environment this is the interpreter beneath it: `.venv` never rests on another one.
BASE_PYTHON = getattr(sys, "_base_executable", None) or sys.executable

# What a layer needs beyond the layers before it. Each file lists every package with its version and hashes.
LAYERS = {"runtime": "constraints.txt", "dev": "constraints-dev.txt", "spark": "constraints-spark.txt"}
EXTRAS = {"runtime": ["collect", "postgres"], "dev": ["dev", "prices"], "spark": ["spark"]}
# Needed to install the project itself (runtime) and packages that exist as source only (pyspark).
BUILD_TOOLS = {"runtime": "hatchling>=1.26\neditables>=0.5", "dev": "setuptools>=77", "spark": ""}


class Beside(NamedTuple):
    """An environment of its own, for programs whose packages would not live beside ours."""

    folder: Path
    pins: Path
    needs: str
    build_tool: str = ""


BESIDE = {
    # The FinOps Foundation's validator of FOCUS data. One of its packages exists as source only.
    "focus": Beside(
        VENV / "focus",
        ROOT / "constraints-focus.txt",
        "focus-validator==1.0.0\nmultimethod<2\nsetuptools>=77",
        "setuptools",
    ),
    # Some tests run a real LiteLLM proxy.
    "litellm": Beside(ROOT / ".venv-litellm", ROOT / "constraints-litellm.txt", "litellm[proxy]>=1.100"),
    # Other people's fits of the same models: tests hold ours against them.
    "oracles": Beside(
        ROOT / ".venv-oracles",
        ROOT / "constraints-oracles.txt",
        "lifelines>=0.30\nlifetimes>=0.11\nsetuptools>=77",
        "setuptools",
    ),
    # The peer that benchmarks are run beside.
    "pymc": Beside(ROOT / ".venv-pymc", ROOT / "constraints-pymc.txt", "pymc-marketing>=0.19"),
}

HELP = """\
./run setup [--dev] [--spark]   prepare .venv; afterwards .venv/bin/breakeven is the command
                                准备 .venv，之后即可使用 .venv/bin/breakeven
./run demo                      build the demo books, print the account, write demo/report.html
                                生成演示账簿，打印账目，写出 demo/report.html
./run test [PYTEST OPTIONS]     the fast tests · 快速测试
./run test --slow               all tests but those below · 除以下两类外的全部测试
./run test --simulations        whether intervals hold what they promise · 区间是否名副其实（模拟）
./run test --spark              the tests on Spark (needs Java) · Spark 测试（需要 Java）
./run check                     format, lint, types, import contract · 格式、规范、类型、导入约定
./run bench [OPTIONS]           the benchmarks · 性能基准
./run pin                       resolve the dependencies anew, with hashes · 重新锁定依赖版本
./run help                      this page · 本页

PYTHON=/path/to/python3 ./run ... chooses the interpreter · 指定解释器"""


def say(english: str, chinese: str) -> None:
    """Tell the person at the terminal something, on stderr, in both languages."""
    print(f"{english}\n{chinese}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Run the command named first; the exit code is its own, 2 when there is no such command."""
    commands: dict[str, Callable[[list[str]], int]] = {
        "setup": setup,
        "demo": demo,
        "test": test,
        "check": check,
        "bench": bench,
        "pin": pin,
    }
    name, *rest = arguments or ["help"]
    if name in ("help", "-h", "--help"):
        print(HELP)
        return 0
    if name not in commands:
        say(f"There is no command {name!r}.", f"没有 {name!r} 这个命令。")
        print(HELP, file=sys.stderr)
        return 2
    os.chdir(ROOT)
    return commands[name](rest)


def setup(arguments: list[str]) -> int:
    """Prepare `.venv`, with the layers asked for, and say what the command is called."""
    unknown = [argument for argument in arguments if argument not in ("--dev", "--spark")]
    if unknown:
        say(f"setup does not know {unknown[0]!r}.", f"setup 不认识 {unknown[0]!r}。")
        return 2
    ensure("runtime", *(argument.removeprefix("--") for argument in sorted(arguments)))
    say(f"Ready: {BIN / 'breakeven'}", f"就绪：{BIN / 'breakeven'}")
    return 0


def demo(arguments: list[str]) -> int:
    """Build the demo books under `demo/`, print the account and write the report."""
    ensure("runtime")
    return become(BIN / "breakeven", "demo", "demo", *arguments)


OWN = ("--slow", "--simulations", "--spark")
"""Options of `test` that are not pytest's."""


def test(arguments: list[str]) -> int:
    """Run the fast tests, or those asked for; every other argument goes to pytest."""
    markers = "not slow and not simulation and not spark"
    layers = ["runtime", "dev"]
    if "--slow" in arguments:
        markers = "not simulation and not spark"
    if "--simulations" in arguments:
        markers = "simulation"
    if "--spark" in arguments:
        if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
            say(
                "Spark needs Java 17 or newer. On Debian and Ubuntu: apt-get install default-jre-headless",
                "Spark 需要 Java 17 或更新版本。Debian 与 Ubuntu：apt-get install default-jre-headless",
            )
            return 2
        markers = "spark"
        layers.append("spark")
    ensure(*layers)
    if "--slow" in arguments:
        for name in ("focus", "litellm", "oracles"):
            ensure_beside(name)
    passed_on = [argument for argument in arguments if argument not in OWN]
    if markers != "spark" and "-n" not in passed_on:
        # Two workers, and a file's tests in one of them: they share what they set up.
        passed_on = ["-n", "2", "--dist", "loadfile", *passed_on]
    return become(BIN / "python", "-m", "pytest", "-m", markers, *passed_on)


def check(arguments: list[str]) -> int:
    """Run all four checks, also after one has failed, and fail if any did."""
    ensure("runtime", "dev")
    checks = (["ruff", "format", "--check", "."], ["ruff", "check", "."], ["pyright"], ["lint-imports"])
    codes = [run([str(BIN / tool), *options, *arguments]) for tool, *options in checks]
    return int(any(codes))


def bench(arguments: list[str]) -> int:
    """Run the benchmarks, which write `docs/benchmarks.md`."""
    ensure("runtime", "dev")
    return become(BIN / "python", "-m", "benchmarks", *arguments)


def become(program: Path, *arguments: str) -> int:
    """Replace this process by the program, so that its signals and exit code are the caller's own."""
    command = [str(program), *arguments]
    if os.name != "nt":
        os.execv(command[0], command)  # noqa: S606
    return run(command)


def ensure(*layers: str) -> None:
    """Bring `.venv` to the pinned state of the layers; nothing happens when it is there already."""
    if not venv_fits():
        say("Making .venv (takes about half a minute, once)", "正在创建 .venv（约半分钟，仅此一次）")
        if VENV.exists():
            shutil.rmtree(VENV)
        subprocess.run([BASE_PYTHON, "-m", "venv", "--without-pip", str(VENV)], check=True)
    for layer in layers:
        stamp_file = VENV / f"installed-{layer}"
        stamp = stamp_of(layer)
        if not (stamp_file.exists() and stamp_file.read_text() == stamp):
            install(layer)
            stamp_file.write_text(stamp)


def ensure_beside(name: str) -> None:
    """Bring one of the environments beside ours to its pinned state."""
    beside = BESIDE[name]
    stamp_file, stamp = beside.folder / "installed", hashlib.sha256(beside.pins.read_bytes()).hexdigest()
    if stamp_file.exists() and stamp_file.read_text() == stamp:
        return
    say(f"Installing {beside.pins.name}", f"正在安装 {beside.pins.name}")
    shutil.rmtree(beside.folder, ignore_errors=True)
    subprocess.run([BASE_PYTHON, "-m", "venv", "--without-pip", str(beside.folder)], check=True)
    python = beside.folder / BIN.name / "python"
    pip = pip_into(python)
    constraints = [beside.pins]
    if beside.build_tool:
        # A package that exists as source only is built with what has to be there before.
        [pin] = re.findall(rf"^{beside.build_tool}==.*\n(?:    .*\n)+", beside.pins.read_text(), re.MULTILINE)
        constraints.insert(0, beside.folder / "build.txt")
        constraints[0].write_text(pin)
    for file in constraints:
        if run([*pip, *pinned_options(file)]):
            raise SystemExit(1)
    run([str(python), "-m", "compileall", "-q", "-j", "0", str(beside.folder)], quiet=True)
    stamp_file.write_text(stamp)


def venv_fits() -> bool:
    """Whether `.venv` was made here, by this version of Python, and its interpreter still exists."""
    try:
        settings = (VENV / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return False
    pairs = dict(line.split(" = ", 1) for line in settings.splitlines() if " = " in line)
    version = ".".join(pairs.get("version", "").split(".")[:2])
    return (
        version == sysconfig.get_python_version()
        and pairs.get("command", "").endswith(str(VENV))
        and (BIN / ("python.exe" if os.name == "nt" else "python")).exists()
    )


def stamp_of(layer: str) -> str:
    """A hash of all that decides what the layer holds."""
    files = [ROOT / "pyproject.toml", ROOT / LAYERS[layer]]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def install(layer: str) -> None:
    """Install the layer's packages, each checked against its hash, and for the first layer the project."""
    say(f"Installing {LAYERS[layer]}", f"正在安装 {LAYERS[layer]}")
    pip = pip_into(BIN / "python")
    commands = [[*pip, *pinned_options(ROOT / LAYERS[layer])]]
    if layer == "runtime":
        commands.append([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
    for command in commands:
        if run(command):
            say(
                "The install did not finish; the reason stands above. Run the same command again to go on.",
                "安装未完成，原因见上。再次运行同一命令即可继续。",
            )
            raise SystemExit(1)
    # Bytecode made here, on all cores and without the packages' own tests, takes half of pip's time for it.
    compile_all = [str(BIN / "python"), "-m", "compileall", "-q", "-j", "0", "-x", r"[/\\]tests[/\\]"]
    run([*compile_all, str(VENV)], quiet=True)


def pinned_options(constraints: Path) -> list[str]:
    """The options of pip under which only the listed files, with the listed hashes, can be installed."""
    return ["--require-hashes", "--no-deps", "--no-build-isolation", "--use-pep517", "-r", str(constraints)]


def pip_into(python: Path) -> list[str]:
    """The start of a command that installs for that interpreter; the environment itself holds no pip.

    Not needing pip inside saves time and works where Debian leaves out `ensurepip`.
    """
    options = ["install", "--quiet", "--no-input", "--no-compile", "--disable-pip-version-check"]
    outside = [BASE_PYTHON, "-m", "pip", "--python", str(python)]
    if run([*outside, "--version"], quiet=True) == 0:
        return [*outside, *options]
    if run([str(python), "-m", "ensurepip"], quiet=True) == 0:
        return [str(python), "-m", "pip", *options]
    say(
        f"{BASE_PYTHON} has no pip of 22.3 or newer. On Debian and Ubuntu: apt-get install python3-pip",
        f"{BASE_PYTHON} 没有 22.3 或更新的 pip。Debian 与 Ubuntu：apt-get install python3-pip",
    )
    raise SystemExit(2)


def run(command: Sequence[str], *, quiet: bool = False) -> int:
    """Run the command to its end and give its exit code; `quiet` drops what it prints."""
    return subprocess.run(command, check=False, capture_output=quiet).returncode


def pin(arguments: list[str]) -> int:
    """Resolve `pyproject.toml` for all platforms and write the constraints files.

    Packages keep their pinned version while it is allowed; `--upgrade` moves all to the newest.
    """
    floor = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(
        ">="
    )
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([BASE_PYTHON, "-m", "venv", "--without-pip", folder], check=True)
        bin_folder = Path(folder) / BIN.name
        subprocess.run([*pip_into(bin_folder / "python"), "uv"], check=True)
        resolve = [
            str(bin_folder / "uv"),
            "pip",
            "compile",
            "--quiet",
            "--universal",
            "--python-version",
            floor,
        ]
        # One version for all Pythons and platforms; no comment may carry the address of an index.
        resolve += [
            "--fork-strategy",
            "fewest",
            "--generate-hashes",
            "--no-annotate",
            "--no-header",
            *arguments,
        ]
        before: list[str] = []
        for layer, file in LAYERS.items():
            command = [*resolve, "pyproject.toml", "-", "--output-file", file, *before]
            command += [f"--extra={extra}" for extra in EXTRAS[layer]]
            subprocess.run(command, input=BUILD_TOOLS[layer], text=True, check=True)
            before += [
                "--constraints",
                file,
                *(f"--no-emit-package={name}" for name in pinned_names(ROOT / file)),
            ]
        for beside in BESIDE.values():
            command = [*resolve, "-", "--output-file", beside.pins.name]
            subprocess.run(command, input=beside.needs, text=True, check=True)
    return 0


def pinned_names(constraints: Path) -> list[str]:
    """The names of the packages in a constraints file."""
    return [line.split("==")[0] for line in constraints.read_text().splitlines() if "==" in line]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
