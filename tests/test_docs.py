"""The documents say what the program does: blocks run, help texts, keys, codes and links are true.

A fenced block after `<!-- run -->` runs in a temporary folder, the blocks of one document in their order. A line that
begins with `$ ` is a command; it goes on after a backslash, and in lines that begin with `> `. The lines under it are
its whole output: `...` in a line stands for anything, and alone on a line for any number of lines. A command that fails
must show its `error:` line. A block that names ../shared is left out where that folder is missing. A page with
`<!-- after OTHER.md -->` begins in the folder that the blocks of the other page leave. `$PORT` is a free port, and what
a page leaves running is ended.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Literal, NamedTuple, get_args, get_origin

import pytest
from pydantic import BaseModel

from federated.node.service import free_port
from federated.node.state import stop_supervisor
from policies import errors
from policies.errors import ConfideError
from policies.policy import Policy, Role, default_policy_text
from policies.workspace import FederationFolder

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PORT = str(free_port())
SHARED = ROOT.parent / "shared"
PAGES = sorted([*ROOT.glob("README.md"), *DOCS.rglob("*.md")])
_FENCE = re.compile(r"^(?P<run><!-- run -->\n+)?```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_AFTER = re.compile(r"^<!-- after (\S+) -->$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block of a document, and its line."""

    page: Path
    line: int
    kind: str
    body: str
    runs: bool


class Call(NamedTuple):
    """A command of a block, and the output that the document shows."""

    command: str
    output: str


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found["kind"], found["body"], bool(found["run"]))
        for found in _FENCE.finditer(text)
    ]


def calls(body: str) -> list[Call]:
    before, *parts = re.split(r"^\$ ", body, flags=re.MULTILINE)
    assert not before.strip(), "a block begins with a command"
    ends = [re.match(r"[^\n]*?(?:(?:\\\n|\n> )[^\n]*?)*$", part, re.MULTILINE) for part in parts]
    return [
        Call(part[: end.end()].replace("\n> ", "\n"), part[end.end() + 1 :])
        for part, end in zip(parts, ends, strict=True)
        if end
    ]


def matches(shown: str, output: str) -> bool:
    """Whether the output is the one that is shown."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else r".*?".join(map(re.escape, line.rstrip().split("..."))) + r"\n"
        for line in shown.splitlines()
    )
    plain = "".join(line.rstrip() + "\n" for line in output.splitlines())
    return re.fullmatch(pattern, plain) is not None


def run(call: Call, folder: Path, where: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        ["bash", "-c", call.command],
        cwd=folder,
        env={**kept, "PATH": path, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", "PORT": PORT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    failing = re.search(r"^error:", call.output, re.MULTILINE) is not None
    assert done.returncode == 0 or failing, f"{where}: `{call.command}` failed:\n{done.stdout}"
    assert matches(call.output, done.stdout), f"{where}: `{call.command}` printed:\n{done.stdout}"


def rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page, without back quotes."""
    lines = (DOCS / page).read_text("utf-8").splitlines()
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]


def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make", DOCS / "make.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Blocks.


class Runner:
    """Runs the blocks of pages, each page once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.left_out: dict[Path, int] = {}

    def folder(self, page: Path) -> Path:
        """The folder in which the blocks of a page ran."""
        folder = self.root / page.stem / "main"
        if page not in self.left_out:
            self._prepare(page, folder)
            running = [block for block in blocks(page) if block.runs]
            needing = [block for block in running if "../shared" in block.body and not SHARED.is_dir()]
            self.left_out[page] = len(needing)
            for block in running:
                for call in calls(block.body) if block not in needing else ():
                    run(call, folder, f"{page_id(page)}, line {block.line}")
        return folder

    def _prepare(self, page: Path, folder: Path) -> None:
        if other := _AFTER.search(page.read_text("utf-8")):
            shutil.copytree(self.folder(page.parent / other.group(1)), folder, symlinks=True)
        else:
            folder.mkdir(parents=True)
            (folder / "docs").symlink_to(DOCS)
        if SHARED.is_dir():
            (folder.parent / "shared").symlink_to(SHARED)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    made = Runner(tmp_path_factory.mktemp("pages"))
    yield made
    for lock in made.root.rglob("running.lock"):
        stop_supervisor(FederationFolder(lock.parent))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_blocks_print_what_they_show(page: Path, runner: Runner) -> None:
    runner.folder(page)
    if runner.left_out[page]:
        pytest.skip(f"{runner.left_out[page]} blocks of {page_id(page)} need ../shared, which is not here")


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a ... c\n", "a 17 c\n", True),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\nd\n", "a\nd\n", True),
        ("", "", True),
        ("a\n", "a\nb\n", False),
        ("a ... c\n", "a\nc\n", False),
        ("a+b\n", "aab\n", False),
        ("", "error: x\n", False),
    ],
)
def test_shown_output_is_compared_whole(shown: str, output: str, same: bool) -> None:
    assert matches(shown, output) is same


def test_a_command_may_go_on_in_further_lines() -> None:
    body = "$ one \\\n  two\nout\n> no command\n$ three '\n> four'\n$ five\n"
    assert calls(body) == [
        Call("one \\\n  two", "out\n> no command\n"),
        Call("three '\nfour'", ""),
        Call("five", ""),
    ]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_blocks_compile(page: Path) -> None:
    for block in blocks(page):
        if block.kind == "python":
            ast.parse(block.body, f"{page_id(page)}, line {block.line}")


# Links.


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_resolve(page: Path) -> None:
    text = _FENCE.sub("", page.read_text("utf-8"))
    for target in (first or second for first, second in _LINK.findall(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page_id(page)} links to {target}"
        if anchor:
            assert anchor in anchors(found), f"{page_id(page)} links to {target}"


def anchors(page: Path) -> set[str]:
    """Headings as GitHub makes them into anchors."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_named_files_of_the_project_exist(page: Path) -> None:
    floors = "policies|privacy|clinical|federated|dashboard|docs|tests"
    named = re.findall(rf"`((?:{floors})/[\w/.]+\.\w+)`", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


# Commands.


def test_help_texts_are_those_of_the_program() -> None:
    assert make().page() == (DOCS / "commands.md").read_text("utf-8"), "run 'make docs'"


def test_every_command_is_told_to_somebody() -> None:
    """Each command stands in the README or on the page of one of the three people, not only in the reference."""
    people = [
        ROOT / "README.md",
        *(DOCS / f"{name}.md" for name in ("clinician", "hospital-it", "federation", "compliance")),
    ]
    told = "\n".join(page.read_text("utf-8") for page in people if page.exists())
    wanted = [" ".join(("confide", *path)) for path in make().command_paths()]
    leaves = [name for name in wanted if not any(other.startswith(f"{name} ") for other in wanted)]
    assert [name for name in leaves if name not in told] == []


def test_the_readme_has_its_parts_in_order_and_nothing_is_left_open() -> None:
    """One run of the demo, a picture, who does what, what it does not do, real exports: a merge once lost some."""
    text = (ROOT / "README.md").read_text("utf-8")
    parts = [
        "make demo",
        "the road took",
        "<details>",
        "</details>",
        "docs/pictures/",
        "## What each of you does first",
    ]
    parts += ["## What it does not do yet", "## On real exports", "confide extract note.txt", "## How it is built"]
    places = [text.find(part) for part in parts]
    assert -1 not in places and places == sorted(places)
    assert text.count("```") % 2 == 0 and text.count("<details>") == text.count("</details>") == 1
    demo = text[text.index("<details>") : text.index("</details>")]
    models = [re.search(said, demo) for said in (r"signed anew: model (\w{16})", r"may support \(model (\w{16})")]
    assert len({found[1] for found in models if found}) == 1 and all(models)  # of one run


# Exit codes.


def kinds(kind: type[ConfideError] = ConfideError) -> list[type[ConfideError]]:
    """The tree of errors of policies/errors.py."""
    below = [deeper for child in kind.__subclasses__() for deeper in kinds(child)]
    return [kind, *below] if kind.__module__ == errors.__name__ else below


def test_every_error_has_a_row_with_its_code_and_hint() -> None:
    told = {row[1]: (row[0], row[3]) for row in rows("errors.md") if len(row) == 4}
    for kind in kinds():
        assert told.get(kind.__name__) == (str(kind.exit_code), kind.hint)


def test_no_code_is_told_that_does_not_exist() -> None:
    codes = {row[0] for row in rows("errors.md") if row[0].isdigit()}
    assert codes == {str(kind.exit_code) for kind in kinds()} | {"0", "2", "130"}


# The policy file.


class Key(NamedTuple):
    """A key of the policy file: its allowed values in words, and what 'confide init' writes."""

    name: str
    allowed: str
    default: str


_BOUNDS = {"ge": "at least", "gt": "over", "le": "at most", "lt": "under"}


def keys(model: type[BaseModel] = Policy, prefix: str = "") -> list[Key]:
    """Every key of the policy file, from the pydantic models and the default file."""
    default = tomllib.loads(default_policy_text("you"))
    found = []
    for name, field in model.model_fields.items():
        kind, place = field.annotation, f"{prefix}{name}"
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += keys(kind, f"{place}.")
            continue
        if get_origin(kind) is dict and isinstance(get_args(kind)[1], type):  # a section for each of several names
            found += keys(get_args(kind)[1], f"{place}.NAME.")
            continue
        value: object = default
        for part in place.split("."):
            value = value.get(part, "absent") if isinstance(value, dict) else "absent"
        found.append(Key(place, allowed(kind, field.metadata), written(value)))
    return found


def allowed(kind: object, metadata: list[object]) -> str:
    if kind == int | None:
        return "whole number, or absent"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(kind)
    if get_origin(kind) is Literal:
        return ", ".join(get_args(kind))
    if get_origin(kind) is tuple:
        (one, _) = get_args(kind)
        return "list of " + ("text" if one is str else ", ".join(one))
    if kind is bool:
        return "true, false"
    if kind is str:
        return "text, not empty" if any(getattr(part, "min_length", 0) for part in metadata) else "text"
    if kind in (int, float):
        bounds = [
            f"{words} {getattr(part, bound):g}" for part in metadata for bound, words in _BOUNDS.items()
            if getattr(part, bound, None) is not None
        ]  # fmt: skip
        return ", ".join(["whole number" if kind is int else "number", *bounds])
    return "name = list of " + ", ".join(Role)


def written(value: object) -> str:
    if isinstance(value, dict):
        return "you, in all roles"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def test_every_policy_key_has_a_row_with_its_range_and_default() -> None:
    told = {row[0]: (row[1], row[2]) for row in rows("policy.md") if len(row) == 4}
    assert {key.name: (key.allowed, key.default) for key in keys()} == {
        name: cells for name, cells in told.items() if name not in ("key", "---")
    }
