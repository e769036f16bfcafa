"""Checks of templates before they have values; docs/typing.md shows the messages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError as JinjaError
from jinja2 import meta, nodes

from typefold.compiler import TemplateError
from typefold.compiler.templates.template import PromptTemplate
from typefold.compiler.templates.template_check import BadSyntax, check_template, environment, placed
from typefold.compiler.templates.value_types import UNKNOWN, Either, Elements, Fields, Kind

WHO = Fields("Character", {"name": UNKNOWN, "age": UNKNOWN})
PARAMETERS: dict[str, Kind] = {
    "name": UNKNOWN,
    "who": WHO,
    "cast": Elements(WHO),
    "maybe": Either((WHO, Fields("Ghost", {"fear": UNKNOWN}))),
}


def problems(source: str) -> list[tuple[str, str]]:
    """Each problem as its code and the text that it stands on."""
    found = check_template(source, PARAMETERS).problems
    return [(each.code, source[each.offset : each.offset + each.length]) for each in found]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ nmae | uper }}", [("name", "nmae"), ("filter", "uper")]),
        ("{{ x }}{% set x = 1 %}{{ x }}", [("name", "x")]),
        (
            "{% for c in cast %}{{ c.age }}{% else %}{{ c }}{% endfor %}{{ loop.index }}",
            [("name", "c"), ("name", "loop")],
        ),
        (
            "{% for c in cast %}{{ loop.previtem.nmae }}{{ loop.idx }}{% endfor %}",
            [("attribute", "nmae"), ("attribute", "idx")],
        ),
        ("{{ who['agee'] }}{{ who['age'] }}", [("attribute", "agee")]),
        ("{{ who.x is defined and who.y | default(1) }}", []),
        ("{{ who.x.y is defined }}", []),
        ("{{ maybe.fear }}{{ maybe.age }}{{ maybe.hope }}", [("attribute", "hope")]),
        ("{{ cast | map(attribute='nam') | join }}", [("attribute", "nam")]),
        ("{{ cast | selectattr('age') | sort(attribute='agee') | first }}", [("attribute", "agee")]),
        ("{{ (cast | last).nme }}{{ cast[0].nme }}", [("attribute", "nme"), ("attribute", "nme")]),
        ("{% with w = who %}{{ w.nme }}{% endwith %}{{ w }}", [("attribute", "nme"), ("name", "w")]),
        ("{% set ns = namespace(a=1) %}{% set ns.a = name %}{{ ns.a }}", []),
        ("{% set t %}{{ name }}{% endset %}{{ t }}", []),
        ("{% macro m(a, b=a) %}{{ a }}{{ later }}{{ caller() }}{% endmacro %}{% set later = 1 %}{{ m(1) }}", []),
        ("{% call(x) name() %}{{ x }}{{ y }}{% endcall %}", [("name", "y")]),
        ("{% filter upper %}{{ nme }}{% endfilter %}", [("name", "nme")]),
        (
            "{% import 'a' as b %}{{ b.c }}{% from 'a' import d as e, f %}{{ e }}{{ f }}",
            [("syntax", "i"), ("syntax", "f")],
        ),
        ("{% block a %}{% endblock %}{% block a %}{{ self.a() }}{% endblock %}", [("syntax", "b")]),
        ("{# {{ nothing }} #}{% raw %}{{ nothing }}{% endraw %}{{- range(3) -}}", []),
        ("{{ who._secret }}", [("attribute", "_secret")]),
        ("{{ who is foo }}", [("filter", "is")]),
        ("é {{ '\\n' ~ nmae }}", [("name", "nmae")]),
    ],
)
def test_problems_stand_where_they_are(source: str, expected: list[tuple[str, str]]) -> None:
    assert problems(source) == expected


@pytest.mark.parametrize(
    ("source", "rest"),
    [
        ("Say {{ text.", "."),
        ("{% if x %} foo", " foo"),
        ("{{ a b }}", "b }}"),
        ("one\n{% foo %}", "foo %}"),
        ("{{ a ! }}", "! }}"),
        ("line\n\n  {% endif %}", "endif %}"),
        ("{{ 'abc }}", "'abc }}"),
    ],
)
def test_a_syntax_error_is_found_at_its_character(source: str, rest: str) -> None:
    with pytest.raises(BadSyntax) as caught:
        placed(source)
    assert source[caught.value.offset :] == rest


def test_parameters_that_are_asked_about_are_used() -> None:
    source = "{% if maybe is none %}{{ cast | length }}{% endif %}{% for name in cast %}{{ name }}{% endfor %}"
    assert check_template(source, PARAMETERS).used == {"maybe", "cast"}


def test_decoration_says_the_first_problem_with_its_line() -> None:
    with pytest.raises(
        TemplateError, match=r"^judge: line 2 of the docstring: there is no filter 'uper'; did you mean 'upper'\?$"
    ):
        PromptTemplate("Text:\n{{ text | uper }}", ["text"], name="judge")


@pytest.mark.parametrize(
    ("source", "braces"),
    [
        ("What is the mood of {name}?", ["{name}"]),
        ("{ name } {name!r} {name:>3} {who.age:.2f} {cast[0].age} {name=}", 6),
        ("{len(cast)} {name.upper()} {', '.join(cast)} {name | upper} {cast|join(', ')} {name:%d.%m.}", 6),
        ('{{ name }} and {name}, {"a": {name}}', ["{name}", "{name}"]),
        ("é\n\n  {% if who %}\n  {name}\n  {% endif %}", ["{name}"]),
        ("{% raw %}{name}{% endraw %} {# {name} #} {{ '{name}' }} {% set x = '{name}' %}{{ name }}", []),
        ('{"name": 1} {name: string} {name, who} {"who": "name"} {"name"} {other} {} {1} {*} {nameless}', []),
        ("{name: [1, 2]} {name -> who} {name | name > 0} {name\n} {name ?} {!name} {na me}", []),
        (r"{{ name }} \sum_{name} x_{name} x^{name} \frac{who}{name} ${name} {name:3}{{ who }}", []),
        (r"x_{name} ${name} {name:3}", 3),
        ('{{ name }} GET /v1/{name} #{name} print(f"Hello {name}")\n```\n<p>{name}</p>\n{{ name }}{name}\n```', []),
        ("/v1/{name} #{name}\n```\n{name}\n```", 3),
        ("{{ name }}\n```\n```\n{name}", ["{name}"]),
        ("{" + "(" * 190 + "}", []),
    ],
)
def test_single_braces_around_a_parameter_are_found_and_no_other(source: str, braces: list[str] | int) -> None:
    found = check_template(source, PARAMETERS, expected=[*PARAMETERS]).problems
    texts = [source[each.offset : each.offset + each.length] for each in found]
    assert (len(texts) if isinstance(braces, int) else texts) == braces
    assert {each.code for each in found} <= {"braces"}


def test_braces_say_what_to_write() -> None:
    with pytest.raises(TemplateError) as caught:
        PromptTemplate("Mood?\n{text.title!r}", ["text"], expected=["text"], name="mood")
    assert str(caught.value) == (
        "mood: line 2 of the docstring: the template has {text.title!r} in single braces, which are sent as they stand; write "
        "{{ text.title }}, or {% raw %}{text.title!r}{% endraw %} for the braces themselves"
    )
    assert (
        PromptTemplate("Mood? {% raw %}{text}{% endraw %} {{ text }}", ["text"], expected=["text"]).render(
            {"text": "x"}
        )
        == "Mood? {text} x"
    )


def test_a_template_that_owes_a_parameter_uses_one() -> None:
    with pytest.raises(
        TemplateError, match=r"^f: the template does not use its parameter \(text\), so that every call"
    ):
        PromptTemplate("Say it.", ["text"], expected=["text"], alone=True, name="f")
    with pytest.raises(TemplateError, match=r"does not use any of its parameters \(a, b\), .* \{\{ a \}\} .* _a$"):
        PromptTemplate("{% set c = 1 %}{{ c }}", ["a", "b"], expected=["a", "b"], alone=True)
    PromptTemplate("{% if b %}x{% endif %}", ["a", "b"], expected=["a", "b"], alone=True)
    PromptTemplate("Say it.", ["text"], expected=["text"])  # something else may be asked too
    PromptTemplate("Say it.", [], alone=True)


_NAMES = st.sampled_from(["a", "b", "c", "loop"])
_TEMPLATES = st.recursive(
    _NAMES.map("{{{{ {} }}}}".format)
    | st.sampled_from([" ", "x\n", "{# c #}", "{% set a = b %}", "{% set c %}x{% endset %}"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.tuples(_NAMES, inner).map(lambda pair: "{{% if {} %}}{}{{% endif %}}".format(*pair)),
        st.tuples(_NAMES, _NAMES, inner).map(lambda parts: "{{% for {} in {} -%}}{}{{%- endfor %}}".format(*parts)),
        st.tuples(_NAMES, _NAMES, inner).map(lambda parts: "{{% with {} = {} %}}{}{{% endwith %}}".format(*parts)),
    ),
    max_leaves=8,
)


@settings(derandomize=True)
@given(_TEMPLATES)
def test_the_names_that_are_reported_are_those_that_rendering_would_look_for(source: str) -> None:
    try:
        looked_for = meta.find_undeclared_variables(environment().parse(source))
    except JinjaError:
        return
    reported = {text for code, text in problems(source) if code == "name"}
    # By `set` or `with`: Jinja loses the `loop` of `{% with loop = loop %}`, which is not for us to report.
    set_anywhere = {node.name for node in placed(source).find_all(nodes.Name) if node.ctx != "load"}
    # What is read in a loop and set behind it is reported, though Jinja's list leaves it out: rendering fails on it.
    assert looked_for - set(PARAMETERS) - set_anywhere <= reported <= (looked_for | set_anywhere) - set(PARAMETERS)


@settings(derandomize=True)
@given(_TEMPLATES)
def test_every_node_stands_at_its_own_text(source: str) -> None:
    for node in placed(source).find_all(nodes.Name):
        assert source.startswith(node.name, node.lineno)
