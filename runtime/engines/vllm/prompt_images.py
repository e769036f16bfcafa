"""Prompts with images: the tokens that stand for them, and the pixels for the model.

The chat template has a placeholder where an image stands. vLLM's processor for the model replaces it by as many tokens as the image
takes and prepares the pixels. That is done when a prompt is tokenised, so that what was counted is sent; the result comes with the
tokens and goes into the engine as it is.

Invariant: all images of a prompt were placed in it. vLLM is not imported. Left out: text that looks like a placeholder
(`chat_tokenizer`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

from typefold.compiler import Image, Message


class PromptTokens(list[int]):
    """The tokens of a prompt with images; `engine_input` goes into the engine in their place."""

    def __init__(self, engine_input: dict[str, Any]) -> None:
        super().__init__(engine_input["prompt_token_ids"])
        self.engine_input = engine_input


def images_of(prompt: Sequence[Message] | str) -> list[Image]:
    """Return the images of a prompt, in order."""
    return [] if isinstance(prompt, str) else [image for message in prompt for _, image in message.images]


def decoded(images: Iterable[Image]) -> list[Any]:
    """Return the images as Pillow's, a dependency of vLLM."""
    from PIL import Image as Pillow

    pictures: list[Any] = []
    for image in images:
        try:
            picture = Pillow.open(BytesIO(image.data))
            picture.load()
        except Exception as error:  # decoders raise what they like
            raise ValueError(f"{image}: it can't be decoded ({type(error).__name__}: {error})") from error
        pictures.append(picture)
    return pictures


def placed(renderer: Any, token_ids: Sequence[int], pictures: Sequence[Any], begun: Sequence[int]) -> PromptTokens:
    """Return the tokens with the images in their places.

    vLLM's cache of images is left aside: it assumes that each prepared prompt is also sent, and in that order.
    """
    prompt = {"prompt_token_ids": list(token_ids), "multi_modal_data": {"image": list(pictures)}}
    [made] = renderer.render_cmpl([prompt], skip_mm_cache=True)
    if len(made["mm_placeholders"]["image"]) != len(pictures):
        raise ValueError("a message holds what this model takes for the place of an image; take it out")
    return PromptTokens({**made, "prompt_token_ids": [*made["prompt_token_ids"], *begun]})
