"""Messages to a shop, read into typed values by a small model, and how often that is right.

python examples/quickstart.py                      # SmolLM2-135M, made ready once, on the CPU
python examples/quickstart.py Qwen/Qwen3-4B        # any model that vLLM can load
"""

import sys
import time
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from rich.console import Console
from rich.table import Table

from typefold import Runtime, ask, demo_model, evaluate, example, prompt


class Message(BaseModel):
    order: Annotated[str, Field(pattern=r"^[A-Z]{2}-[0-9]{4}$")]
    mood: Literal["happy", "unhappy"]


EXAMPLES = """
happy   KT-2291 Order KT-2291 came on Monday and the lamp is lovely. Thank you!
unhappy BD-7730 I want my money back for BD-7730. It broke on the second day.
unhappy WL-0415 Three weeks and no parcel. Where is WL-0415?
happy   PA-6082 The chair of order PA-6082 is so soft that my cat has moved in. We love it.
"""


def labelled(rows: str) -> list[tuple[str, Message]]:
    cells = [row.split(maxsplit=2) for row in rows.strip().splitlines()]
    return [(text, Message.model_validate({"mood": mood, "order": order})) for mood, order, text in cells]


@prompt(examples=[example(message, text=text) for text, message in labelled(EXAMPLES)])
def extract(text: str) -> Message:
    return ask(f"A customer writes:\n\n{text}")


def read(text: str) -> Message:
    """A program: plain Python over typed values. A number that the message does not have is asked for again, then refused."""
    for temperature in (0, 0.5, 0.9):
        message = extract.using(temperature=temperature, seed=7)(text)
        if message.order in text:
            return message
    raise ValueError(f"{message.order} is not in the message")


# Labelled by hand; the wording and the examples were not chosen by these.
LABELLED = """
happy   RB-1843 The garden lights from RB-1843 turn our terrace into a fairy tale.
unhappy MD-5520 Two of the six glasses in MD-5520 arrived broken.
unhappy HS-0937 I have called five times about HS-0937 and was cut off each time.
happy   TL-6614 You are the best shop on the whole internet. TL-6614 is a dream!
happy   CN-2085 My daughter has not taken off the boots of CN-2085 since Friday.
unhappy WF-7391 The jacket (WF-7391) lost its colour in the first wash. Terrible.
happy   EJ-4408 Thanks to Mr. Aydin, who brought EJ-4408 up to the fourth floor.
unhappy PG-3162 PG-3162 was to be a present. It came nine days after the birthday.
happy   ZK-8870 I did not think that a mop could please me, but ZK-8870 does.
unhappy AV-1256 Please stop asking for a review of AV-1256. It does not even turn on.
unhappy LO-9043 You took the money for LO-9043 and then nothing happened.
happy   DR-5717 Everything in DR-5717 was as described, and packed very well.
unhappy KY-6329 The table of order KY-6329 wobbles, and one leg is shorter.
happy   FB-0281 We have cooked in it every day since FB-0281 came. So good!
happy   UM-7765 A fair price, a kind voice on the phone: UM-7765 was a pleasure.
unhappy XS-2494 Whoever packed XS-2494 forgot the screws, the manual and the door.
happy   NH-3951 The blanket from NH-3951 is the warmest that I have ever owned.
unhappy GT-8136 I am sending GT-8136 back. The photo on your site is a lie.
unhappy JC-4072 After the update my speaker, order JC-4072, makes only noise.
happy   VP-6688 Five stars for VP-6688, and a sixth for the handwritten card.
unhappy OE-1519 Is there anybody at all? No answer about OE-1519 in a month.
happy   BW-9304 Our old dog loves his new bed (BW-9304) and so do we.
happy   SL-2847 It was easy to put together. Order SL-2847 stands like a rock.
unhappy RQ-5590 RQ-5590 smells so strongly of glue that we had to leave the room.
happy   IK-7023 The repaired watch of IK-7023 runs again. My father wept for joy.
unhappy TD-0416 Your courier says he delivered TD-0416. He did not.
unhappy MX-3678 The sheets in MX-3678 are thin, rough and too short for any bed.
happy   HE-8952 Once more a perfect order. HE-8952 was number twelve for me.
unhappy CG-6205 I paid for express, and CG-6205 came by ordinary mail.
happy   WU-1437 The colours of WU-1437 are even more beautiful than in the shop.
unhappy AN-9981 The razor from AN-9981 cut me on the first morning.
happy   YP-4760 What a service! A new part for YP-4760 the very next day.
"""


def main() -> None:
    console, rows = Console(), labelled(LABELLED)
    texts, labels = [text for text, _ in rows], [message for _, message in rows]
    with Runtime(sys.argv[1] if len(sys.argv) > 1 else demo_model(), max_model_len=2048) as runtime:
        console.print("Loading the model ...")
        runtime.generate("Say hello.", max_tokens=1)  # so that loading is not in the rate below
        before, started = runtime.stats.succeeded, time.perf_counter()
        report = evaluate(read, texts, labels)  # one batch, also of the rows that ask again
        seconds, calls = time.perf_counter() - started, runtime.stats.succeeded - before
        three = extract.safe.map([texts[-2], "Let me begin with my childhood. " * 400, texts[-1]])

    table = Table("message", "order", "mood", "")
    for row in report.rows[:8]:  # the first ones, as they come
        value = ["", ""] if row.value is None else [row.value.order, row.value.mood]
        table.add_row(row.input, *value, "refused" if row.error else "right" if row.right else "wrong")
    console.print(f"extract gives {extract.explain().shape}", table, sep="\n")
    fields = ", ".join(f"{name} {field.accuracy}" for name, field in report.fields.items())
    console.print(f"right, of {len(texts)} labelled messages: {report.accuracy} ({fields}); errors: {report.failures}")
    console.print("extract.safe.map of three rows:", *three, sep="\n")
    console.print(f"{len(rows)} rows, {calls} calls in {seconds:.1f} s: {len(rows) / seconds:.1f} rows a second")


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    main()
