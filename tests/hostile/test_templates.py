"""Templates: sandboxed, and no value becomes one."""

from __future__ import annotations

from typing import Any

import pytest

from typefold.compiler.errors import TemplateError
from typefold.compiler.templates import template
from typefold.compiler.templates.template import PromptTemplate


class Secret:
    def __init__(self) -> None:
        self.name = "n"
        self._hidden = "h"

    def __str__(self) -> str:
        return "secret"


def render(source: str, value: Any) -> str:
    return PromptTemplate(source, ["x"]).render({"x": value})


@pytest.mark.parametrize(
    "value",
    ["{{ 7 * 7 }}", "{% for i in range(9) %}!{% endfor %}", "{{ x.__class__ }}", "{# gone #}", "{% raw %}", "}}", "${x}", "{0.__class__}"],
)  # fmt: skip
def test_a_value_is_never_a_template(value: str) -> None:
    assert render("{{ x }}", value) == value
    assert render("{{ x | upper | lower }}", value.lower()) == value.lower()
    assert render("{{ [x, {'a': x}] }}", value).count(value) == 2
    assert render("{% set y = x %}{{ y ~ x }}", value) == value * 2


@pytest.mark.parametrize(
    "source",
    [
        "{{ x.__class__.__mro__ }}",
        "{{ x._hidden }}",
        "{{ x['__class__'] }}",
        "{{ x | attr('__class__') }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ x.__init__.__globals__ }}",
        "{{ (x | list).__class__ }}",
        "{{ '{0.__class__}'.format(x) }}",
        "{{ '{0._hidden}'.format(x) }}",
        "{{ '{0[__class__]}'.format(x) }}",
        "{{ ('{0.__class__.__mro__}' | string).format(x) }}",
        "{{ '{x.__class__}'.format_map({'x': x}) }}",
        "{{ self.__init__ }}",
        "{{ range.__self__ }}",
        "{{ joiner.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ lipsum.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}{{ os }}",
        "{% extends 'base' %}",
        "{% set f = x.__str__ %}{{ f.__func__.__globals__ }}",
        "{{ range(10**9) | list }}",
        "{% for i in range(10**9) %}{% endfor %}",
        "{{ 'a' * 10**9 }}",
        "{{ 10**9 * 'a' }}",
        "{{ [0] * 10**9 }}",
        "{{ 9**9**9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' % (1000000000, 1) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% block a %}{{ self.a() }}{% endblock %}",
    ],
)
def test_the_sandbox_holds(source: str) -> None:
    with pytest.raises(Exception) as caught:  # each part of Jinja2 has an error of its own
        text = render(source, Secret())
        assert not any(word in text for word in ("class", "built-in", "function", "root:", "object at")), text
        assert len(text) < 1000
        raise RuntimeError("harmless")
    assert isinstance(caught.value, Exception)


def test_arithmetic_still_works() -> None:
    assert render("{{ x * 3 }} {{ 3 * x }} {{ 2 ** 10 }} {{ 'a' * 3 }} {{ '%05.1f%%' % 2.5 }} {{ 7 % 4 }}", 2) == (
        "6 6 1024 aaa 002.5% 3"
    )
    assert render("{{ '=' * 20 }}", 0) == "=" * 20
    assert render("{{ x * 2.5 }} {{ x ** -1 }}", 2) == "5.0 0.5"


def test_a_template_that_writes_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "LONGEST", 10_000)
    assert len(render("{% for i in range(x) %}123456789 {% endfor %}", 999)) == 9_990
    with pytest.raises(TemplateError, match="the template writes more than 10,000 characters"):
        render("{% for i in range(x) %}123456789 {% endfor %}", 99_999)
