"""Full names of typefold's objects, as mypy knows them: by the module that defines an object, wherever it was imported from.

A function or class of the table that moves gets its new name here; a test holds that each name leads to a definition.
Importing this module loads next to nothing of typefold's, so that a run of mypy that finds nothing to check pays nothing.
"""

from __future__ import annotations

import re

from mypy.errorcodes import ErrorCode
from mypy.nodes import MypyFile

from typefold.checks.findings import CODES

PROMPT = "typefold.prompts.prompt.prompt"
DECORATOR = "typefold.prompts.prompt.PromptDecorator"
DECORATE = f"{DECORATOR}.__call__"
EXAMPLE = "typefold.prompts.definition.example"
ASK = "typefold.messages.ask"
OUTPUT_TYPE = "typefold.compiler.output_type.output_type"
GENERATE = {
    *(f"typefold.runtimes.{name}.__call__" for name in ("runtime.Runtime", "generate.Generate", "generate.Answering")),
    "typefold.runtimes.generate.Generate.safe",
}
DEFER = {f"typefold.prompts.{name}.defer" for name in ("prompt.Prompt", "prompt.AsyncPrompt", "base_prompt.BasePrompt")}
USING = {f"typefold.prompts.{name}.using" for name in ("prompt.Prompt", "prompt.AsyncPrompt", "base_prompt.BasePrompt")}
SAMPLE = {f"typefold.prompts.prompt.{name}.sample" for name in ("Prompt", "AsyncPrompt")}
DEFERRED = "typefold.graphs.deferred.Deferred"
ANSWERS = {f"typefold.response_types.{name}" for name in ("Decisions", "Logged", "Reasoned", "Scored")}

CHECKS = {
    PROMPT: "check_prompt",
    DECORATE: "check_prompt",
    OUTPUT_TYPE: "check_output",
    ASK: "check_ask",
    **dict.fromkeys(GENERATE, "check_output"),
    **dict.fromkeys(SAMPLE, "check_sample"),
}
"""Functions and methods, and the function in `typefold.mypy.reports` that checks a call of each.

Hooks that look at a signature before mypy compares the arguments with it are not among them.
"""

ERROR_CODES = {code.name: ErrorCode(code.name, f"Report {code.title}", "Prompts") for code in CODES.values()}
"""They are made when mypy loads the plugin: settings and comments may name one where no prompt is checked."""

INSTALLED = re.compile(r"[/\\](?:site-packages|dist-packages|typeshed)[/\\]")
"""Paths of installed files: they change with their version, and all is checked anew then."""


def is_of_program(tree: MypyFile) -> bool:
    """Whether a module is the program's own: no stub, not installed and not typefold's."""
    return not (tree.is_stub or tree.fullname.partition(".")[0] == "typefold" or INSTALLED.search(tree.path))
