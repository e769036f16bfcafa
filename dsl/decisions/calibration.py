"""Calibration: a temperature for each choice, which makes its probabilities those with which it is right. `calibrate` fits one.

It is a small JSON file, and belongs to one return type and one prompt. With another type it is refused, since the choices differ;
with another prompt it is used, with a warning. Invariant: a temperature never changes the order of choices, so no value changes.
Biases do change it: where a calibration has some, the likeliest choice may be another, and so may the value.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from itertools import repeat
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from typefold.compiler.contained import first_line
from typefold.errors import PromptUsageError, saved_object

T = TypeVar("T")

_VERSION = 1
_FRAMES = 5  # from the warning up to the program
LEAST = 1e-12  # a probability of 0 has no logarithm


class StaleCalibration(UserWarning):
    """A calibration was fitted for another prompt than the one that it is used with; fit it again.

    Example:
        >>> import warnings
        >>> from typefold import StaleCalibration
        >>> warnings.simplefilter("error", StaleCalibration)
    """


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Temperatures and biases by the paths of choices, for `using(calibration=...)`. Made by `calibrate`, or read from its file.

    Attributes:
        temperatures: The temperature of each choice, by its path: `""` for `Scored[T]`, `team` for a field, `lines[].kind`. Above 1
            it makes a model less sure; below 1, surer.
        type_digest: A digest of the return type and its choices.
        version: The digest of the prompt function's version; see `Prompt.version`.
        rows: The number of labelled rows that it was fitted on.
        biases: Numbers by path, one for each choice in the order of `Scored.probabilities`. Each is added to the logarithm of
            its choice's probability, once that is divided by the temperature. Empty unless `calibrate(..., biases=True)` made it.

    Example:
        >>> soft = Calibration(temperatures={"": 2.0})
        >>> soft.applied("", {"keep": 0.8, "drop": 0.2})
        {'keep': 0.6666666666666666, 'drop': 0.3333333333333333}
        >>> Calibration(temperatures={"": 2.0}, biases={"": [-1.0, 1.0]}).applied("", {"keep": 0.8, "drop": 0.2})
        {'keep': 0.2130..., 'drop': 0.7869...}
    """

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}

    temperatures: Mapping[str, float]
    type_digest: str = field(default="", repr=False)
    version: str = field(default="", repr=False)
    rows: int = 0
    biases: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])

    def applied(self, path: str, probabilities: Mapping[T, float]) -> dict[T, float]:
        """Return probabilities under the temperature and the biases of their path; the same where it has none.

        Args:
            path: The path of the choice.
            probabilities: The probabilities by choice, in the order of the type.

        Raises:
            PromptUsageError: The biases are not as many as the choices.
        """
        temperature, biases = self.temperatures.get(path, 1.0), self.biases.get(path, ())
        if len(probabilities) > 1 and len(biases) not in (0, len(probabilities)):  # a sole choice is certain
            raise PromptUsageError(_misfit(path, len(biases), len(probabilities)))
        if temperature == 1.0 and not any(biases):
            return dict(probabilities)
        return tempered(probabilities, temperature, biases)

    def check(self, choices: Mapping[str, Sequence[str]], version: str, *, where: str) -> None:
        """Refuse a calibration of other choices, and warn of one of another version.

        Args:
            choices: The texts of the choices of the type, by path.
            version: The digest of the version.
            where: The name of the function, for messages.
        """
        if not choices:
            raise PromptUsageError(
                f"{where}: calibration has no place here: the return type has no Scored in it, and is no Decisions"
            )
        paths = {**self.temperatures, **self.biases}
        if not choices.keys() >= paths.keys() or self.type_digest not in ("", digest_of(choices)):
            raise PromptUsageError(
                f"{where}: the calibration is of another return type (with choices at "
                f"{', '.join(map(repr, paths)) or 'no place'}); calibrate({where}, ...) makes one for this"
            )
        for path, biases in self.biases.items():
            if not 2 <= len(biases) <= len(choices[path]):  # fewer where several texts are one value
                raise PromptUsageError(
                    f"{where}: {_misfit(path, len(biases), len(choices[path]))}; calibrate({where}, ...) makes one for this"
                )
        if self.version not in ("", version):
            warnings.warn(
                f"{where}: the calibration was fitted for another version of it ({self.version}, and this is {version}); its "
                f"probabilities may be off, so fit it again with calibrate({where}, ...)",
                StaleCalibration,
                stacklevel=_FRAMES,
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the calibration to a file.

        Args:
            path: The file, which is replaced.
        """
        data = {"calibration": _VERSION, **self.__dict__, "temperatures": dict(self.temperatures)}
        del data["biases"]
        if self.biases:  # so a file without any is read by versions that know none
            data["biases"] = {path: [*biases] for path, biases in self.biases.items()}
        Path(path).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """Read a file that `save` wrote.

        Args:
            path: The file.

        Returns:
            The calibration.

        Raises:
            PromptUsageError: There is no such file, or it is no calibration of this version.
        """
        how = "calibrate(function, rows).save(path) writes one"

        def none(reason: str) -> PromptUsageError:
            return PromptUsageError(f"{path!s}: this is no calibration ({reason}); {how}")

        try:
            data = saved_object(path, "calibration", _VERSION, kind="calibration", how=how)
            made = _reader().validate_python(data)
        except OSError as error:
            raise none(first_line(error)) from error
        except ValidationError as error:
            [first, *_] = error.errors()
            raise none(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        if not all(map(is_temperature, made.temperatures.values())) or made.rows < 0:
            raise none("a temperature is a number above 0")
        if not all(len(biases) > 1 and all(map(math.isfinite, biases)) for biases in made.biases.values()):
            raise none("biases are finite numbers, one a choice")
        return made


@cache
def _reader() -> TypeAdapter[Calibration]:
    return TypeAdapter(Calibration)


def _misfit(path: str, biases: int, choices: int) -> str:
    return f"the calibration has biases for {biases} choices at {path!r}, which has {choices}"


def digest_of(choices: Mapping[str, Sequence[str]]) -> str:
    """Return a digest of the choices of a type."""
    return blake2b(
        repr(sorted((path, [*texts]) for path, texts in choices.items())).encode("utf-8", "surrogatepass"),
        digest_size=8,
    ).hexdigest()


def is_temperature(value: object) -> bool:
    """Return whether a value can be a temperature."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def tempered(probabilities: Mapping[T, float], temperature: float, biases: Sequence[float] = ()) -> dict[T, float]:
    """Return the probabilities that a softmax at another temperature would have given, of logits with biases if there are any."""
    logs = {
        choice: math.log(max(chance, LEAST)) / temperature + bias
        for (choice, chance), bias in zip(probabilities.items(), biases or repeat(0.0), strict=False)
    }
    top = max(logs.values())
    weights = {choice: math.exp(value - top) for choice, value in logs.items()}
    total = math.fsum(weights.values())
    return {choice: weight / total for choice, weight in weights.items()}
