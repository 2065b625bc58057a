"""The one arrow: webui → al_fashion → strategies; TensorFlow only in models, never at start-up."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = [
    path
    for package in ("strategies", "al_fashion", "webui")
    for path in sorted((ROOT / package).rglob("*.py"))
]


def imported(path: Path) -> set[str]:
    """Every module imported anywhere in a file, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def refused(path: Path) -> tuple[str, ...]:
    """What a module may not import."""
    package = path.relative_to(ROOT).parts[0]
    if package == "strategies":
        return ("al_fashion", "webui", "tensorflow", "keras", "flask", "sqlalchemy")
    if package == "webui":
        return ("strategies", "al_fashion.models", "al_fashion.loop", "tensorflow", "keras")
    if path.relative_to(ROOT).parts[1] == "models":
        return ("webui", "al_fashion.store", "al_fashion.loop", "al_fashion.cli")
    return ("webui", "tensorflow", "keras")


def test_the_search_knows_arrays_and_files_alone() -> None:
    for path in sorted((ROOT / "al_fashion" / "search").glob("*.py")):
        ours = {name for name in imported(path) if name.startswith("al_fashion")}
        assert ours <= {"al_fashion.errors", "al_fashion.files"}
        others = {name.partition(".")[0] for name in imported(path)} - {"al_fashion"}
        assert others <= sys.stdlib_module_names | {"numpy", "faiss"}


def test_the_page_starts_without_faiss() -> None:
    code = "import sys, webui; print('faiss' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrow(path: Path) -> None:
    for module in imported(path):
        for name in refused(path):
            assert module != name and not module.startswith(name + "."), f"imports {module}"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["status"]])
def test_starts_without_heavy_libraries(arguments: list[str], tmp_path: Path) -> None:
    code = (
        f"import sys; sys.argv = ['al-fashion', *{arguments!r}]\n"
        "from al_fashion.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'modAL', 'flask') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_module_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if path.name not in ("__init__.py", "__main__.py")
        and not {"migrations", "cli", "webui", "reports"} & set(path.parts)
        and f"{path.name}`" not in text
    ]
    assert missing == []


def test_the_benchmark_of_the_queue_hides_no_library() -> None:
    code = "import sys; sys.path.insert(0, 'benchmarks'); import queue; queue.Empty"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
