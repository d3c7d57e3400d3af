"""The scripts and notebooks in examples/, as tests run them."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import json
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name: str) -> ModuleType:
    """A script, imported."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_notebook(name: str) -> None:
    """Run the cells of a notebook; each has to print and give what the notebook shows."""
    notebook = json.loads((EXAMPLES / f"{name}.ipynb").read_text())
    namespace = {"__name__": "__main__"}
    for cell in (cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
        body = ast.parse("".join(cell["source"])).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(ast.Module(body, []), "notebook", "exec"), namespace)
            value = last and eval(compile(ast.Expression(last.value), "notebook", "eval"), namespace)
        for output in cell["outputs"]:
            if output["output_type"] == "stream":
                assert printed.getvalue() == "".join(output["text"])
            elif output["output_type"] == "execute_result":
                assert repr(value) == "".join(output["data"]["text/plain"])
