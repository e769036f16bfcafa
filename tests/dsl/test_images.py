"""Images in messages: where they come from, where they stand, and what is told of them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from typefold import (
    BadInput,
    Journal,
    Message,
    PromptUsageError,
    Reasoned,
    Runtime,
    ask,
    assistant,
    example,
    image,
    prompt,
    run,
    system,
    user,
)
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.journal import digest
from typefold.testing import FakeEngine

RED, BLUE = Image.new("RGB", (64, 48), "red"), Image.new("RGB", (64, 48), "blue")


@prompt(temperature=0)
def describe(picture: Any) -> str:
    return ask(user(picture, "What is on it?"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    at = tmp_path / "red.jpg"
    RED.save(at)
    return at


def held(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def sent(engine: ScriptedEngine) -> Message:
    request: Request = engine.requests[-1]
    assert not isinstance(request.prompt, str)
    return request.prompt[-1]


def test_a_file_its_bytes_and_a_picture_all_are_images(path: Path) -> None:
    data = path.read_bytes()
    assert image(path) == image(str(path)) == image(data) == image(image(path))
    assert image(path).data == data
    assert repr(image(path)) == "[image 64x48 jpeg]"
    assert repr(image(RED)) == repr(image(Image.open(BytesIO(held(RED))))) == "[image 64x48 png]"
    assert Image.open(BytesIO(image(RED).data)).tobytes() == RED.tobytes()
    assert pickle.loads(pickle.dumps(user(RED, "?"))) == user(RED, "?")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "F"])
def test_pictures_of_every_mode_are_sent_as_vllm_would_see_them(mode: str) -> None:
    picture = Image.linear_gradient("L").resize((8, 8)).convert("RGB").convert(mode if mode != "LA" else "L")
    picture = picture.convert(mode)
    assert Image.open(BytesIO(image(picture).data)).convert("RGB").tobytes() == picture.convert("RGB").tobytes()


def test_a_picture_that_says_how_it_is_turned_is_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter
    turned = Image.open(BytesIO(held(RED, "JPEG", exif=exif)))
    assert repr(image(turned)) == "[image 48x64 png]"


def test_texts_and_images_keep_their_order() -> None:
    engine = ScriptedEngine(answers=["false"])
    message = user("One ", RED, BLUE, " and ", "two", image(BLUE))
    one, two = image(RED), image(BLUE)
    assert message.parts == ("One ", one, two, " and two", two)
    assert message.content == "One  and two"
    assert str(message) == (
        "Message(role='user', content=('One ', [image 64x48 png], [image 64x48 png], ' and two', [image 64x48 png]))"
    )
    with Runtime(engine) as runtime:
        assert runtime.generate([message], output_type=bool, describe_format=False) is False
    assert sent(engine) == message


def test_shape_thoughts_history_and_examples_leave_images_where_they_are() -> None:
    @prompt(examples=[example(True, picture=RED)])
    def is_red(picture: Any) -> list[bool] | bool:
        return ask([user(BLUE, "Is it red?"), assistant("false")], user(picture, "Is it red?"))

    @prompt
    def ponder(picture: Any) -> Reasoned[bool]:
        return ask(user(picture, "Is it red?"))

    rendered = is_red.render(BLUE)
    asked = [message.parts for message in rendered if isinstance(message, Message) and message.role == "user"]
    assert [parts[-2] for parts in asked] == [image(BLUE), image(RED), image(BLUE), image(BLUE)]
    last = rendered[-1]
    assert isinstance(last, Message)
    assert last.shown == "[image 64x48 png]Is it red?"
    assert rendered[0] == system("Answer with JSON in this form:\n[boolean, ...] or boolean")
    engine = ScriptedEngine(answers=["Hm.", "true"])
    with Runtime(engine):
        assert ponder(RED).value is True
    firsts = [request.prompt[1] for request in engine.requests]
    assert all(isinstance(first, Message) and image(RED) in first.parts for first in firsts)


def test_other_images_are_another_question() -> None:
    engine = ScriptedEngine()
    with Runtime(engine):
        said = describe.map([RED, BLUE, RED])
    assert len(engine.requests) == 2
    assert said[0] == said[2] != said[1]


def test_a_journal_knows_images_by_their_bytes_and_keeps_none(tmp_path: Path) -> None:
    at = tmp_path / "journal.db"
    noise = Image.effect_noise((64, 64), 90)

    def asked(*pictures: Image.Image) -> int:
        engine = ScriptedEngine()
        with Runtime(engine, journal=at):
            describe.map(pictures)
        return len(engine.requests)

    assert (asked(RED, noise), asked(noise, RED), asked(BLUE)) == (2, 0, 1)
    with Journal(at) as journal:
        contents = {record.prompt[0]["content"] for record in journal.records() if isinstance(record.prompt, list)}
    assert contents == {"[image 64x48 png]What is on it?", "[image 64x64 png]What is on it?"}
    assert held(noise)[64:256] not in at.read_bytes()


def test_rows_of_a_journal_are_known_by_their_pictures() -> None:
    assert digest(RED) == digest(RED.copy()) != digest(BLUE)
    assert digest({"picture": RED}) is not None


def test_what_is_no_image_fails_its_row_and_names_the_file(tmp_path: Path, path: Path) -> None:
    notes, cut = tmp_path / "notes.txt", tmp_path / "cut.jpg"
    notes.write_text("no image")
    cut.write_bytes(path.read_bytes()[:300])
    rows = [path, notes, tmp_path / "gone.png", cut, b"no image"]
    with Runtime(ScriptedEngine(answers=lambda request: "red")):
        good, *bad = describe.safe.map(rows)
    assert good.unwrap() == "red"
    errors = [each.failure() for each in bad]
    assert all(isinstance(error, BadInput) for error in errors)
    assert all(
        name in str(error) for name, error in zip(("notes.txt", "gone.png", "cut.jpg", "bytes"), errors, strict=True)
    )
    assert f"{notes}: not an image that can be read" in str(errors[0])
    assert str(cut) in str(errors[2])
    with pytest.raises(ValueError, match=r"notes\.txt: not an image"):
        user(notes)


def test_images_go_into_messages_and_nowhere_else() -> None:
    @prompt
    def wrong(picture: Any) -> str:
        return ask(picture, "What is on it?")

    with pytest.raises(PromptUsageError, match=r"user\(image, 'What is on it\?'\)"):
        wrong.render(RED)
    odd: Any = 7
    with pytest.raises(PromptUsageError, match="not int"):
        image(odd)
    with pytest.raises(PromptUsageError, match=r"a message is text, not int; .* images as a Path, bytes or an image"):
        user(odd)
    picture: Any = RED
    with pytest.raises(PromptUsageError, match=r"not Image; an image goes into a message: user\(image"):
        system(picture)


def test_a_picture_that_is_none_says_so() -> None:
    cut = Image.open(BytesIO(held(Image.effect_noise((200, 200), 50), "JPEG")[:900]))  # read only when it is used
    for picture, why in ((Image.new("RGB", (0, 5)), "0x5, mode RGB"), (cut, "200x200, mode L .*truncated")):
        with pytest.raises(ValueError, match=f"not an image that can be sent: {why}"):
            image(picture)
    with pytest.raises(ValueError, match=r"bytes: not an image that can be read \(no format that Pillow knows\)"):
        image(b"")


def test_a_picture_of_16_bits_keeps_them() -> None:
    """As versions of Pillow before 11.3 read such a file: 32 bits a pixel."""
    read = Image.new("I", (2, 2), 40_000)
    assert Image.open(BytesIO(image(read).data)).getpixel((0, 0)) == 40_000


def test_the_test_kit_and_programs_take_images(path: Path) -> None:
    with FakeEngine() as fake:
        fake.answer(describe, "A red square.")
        assert run(describe, [path]) == ["A red square."]
    [only] = fake.prompts
    assert "[image 64x48 jpeg]What is on it?" in only


def test_pillow_is_imported_for_images_alone() -> None:
    code = "import sys, typefold; typefold.user('x'); assert 'PIL' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_an_image_is_read_from_a_regular_file_of_limited_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo, link, large = tmp_path / "fifo.png", tmp_path / "link.png", tmp_path / "large.png"
    os.mkfifo(fifo)
    link.symlink_to("/dev/zero")
    with large.open("wb") as file:
        file.truncate((64 << 20) + 1)
    for path, words in {
        fifo: "an image is read from a regular file, and this is a FIFO",
        link: "an image is read from a regular file, and this is a device",
        tmp_path: "an image is read from a regular file, and this is a directory",
        large: "larger than the 64 MiB that an image may have; make it smaller",
    }.items():
        with pytest.raises(ValueError, match=f"{path.name}: {words}"):
            image(path)
    with pytest.raises(ValueError, match="bytes: larger than the 64 MiB"):
        image(bytes((64 << 20) + 1))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 99)
    for size in ((10, 10), (100, 100)):  # of the second, Pillow itself says no
        with (
            pytest.raises(ValueError, match=r"bytes: more than the 99 pixels .*; make it smaller"),
            warnings.catch_warnings(action="ignore"),
        ):
            image(held(Image.new("L", size)))
    with pytest.raises(ValueError, match="a picture: more than the 99 pixels"):
        image(Image.new("L", (10, 10)))


def test_a_file_that_changes_while_it_is_read_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "red.png"
    RED.save(path)
    really = os.stat

    def meanwhile(name: Any) -> os.stat_result:
        found = really(name)
        path.unlink()
        os.mkfifo(path)
        return found

    monkeypatch.setattr("typefold.messages.os.stat", meanwhile)
    with pytest.raises(ValueError, match="this is a FIFO"):
        image(path)


def test_a_fifo_costs_its_row_and_no_other(tmp_path: Path, path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    with Runtime(ScriptedEngine(answers=lambda request: "ok")):
        first, second, third = describe.safe.map([path, tmp_path / "fifo.png", path])
    assert (first.unwrap(), third.unwrap()) == ("ok", "ok")
    assert isinstance(second.failure(), BadInput) and "this is a FIFO" in str(second.failure())
