"""Images on real vLLM, with a tiny model of random weights: what it is shown is what `LLM.chat` shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from typefold import Refused, Runtime, user
from typefold.compiler import Image
from typefold.runtime.engines.vllm.compat import installed_version

from .elsewhere import OWN_PROCESS, facts_of

pytestmark = pytest.mark.engine


@OWN_PROCESS
def test_a_model_sees_the_images_that_stand_in_its_messages(model: str, tmp_path: Path) -> None:
    if int(installed_version().split(".")[1]) < 30:
        pytest.skip("an older vLLM fails in its own code for images, with a model as tiny as this one on a CPU")
    facts = facts_of("seen.py", model, tmp_path)
    red, blue, file = facts["bare"]
    assert red != blue
    assert facts["described"] == [red, blue, file, file]
    assert facts["counted"] == [*facts["bare_counted"], facts["bare_counted"][2]]
    assert all(each["colour"] in ("red", "green", "blue") and each["sure"] in (True, False) for each in facts["typed"])
    assert facts["learned"] == facts["bare_learned"]
    assert facts["rendered"][-1] == "One [image 40x48 png] and two [image 64x48 png]: what are they?"
    assert facts["pondered"] == "bool"
    assert facts["text"]
    assert "max_model_len is 512" in facts["long"]
    assert facts["unfinished"] is False
    plain, *named = facts["hostile"]
    assert all(each == plain for each in named)


def test_a_model_of_text_alone_is_never_shown_an_image(runtime: Runtime) -> None:
    picture = Image(b"...", "png", 64, 48)
    with pytest.raises(Refused, match=r"is a model of text alone, and the prompt has \[image 64x48 png\] in it"):
        runtime.generate([user(picture, "What is on it?")], max_tokens=1)
