"""Where settings come from: the environment, a `.env` file, and the files that NAME_FILE settings name."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import parse_stream

# Names in .env that belong to the programs beside us: docker compose reads the same file, and so does Flower.
_OTHERS_PREFIXES = ("COMPOSE_", "FLOWER_")
_OTHERS = ("TZ",)
# What a file says that must be there, as Docker Compose wants each of its secrets to be, although nothing is set.
NOT_SET = "# not set"
# RETENTION_DAY for RETENTION_DAYS is 0.96, DATABASE_URI for DATABASE_URL 0.92; TEST_DATABASE_URL, which is
# somebody else's setting, is 0.83.
_NEAR_IN_ENVIRONMENT = 0.86
_NEAR_IN_ENV_FILE = 0.6


@dataclass(kw_only=True)
class Gathered:
    """The texts that were found, by setting, and what is wrong or odd about where they stood.

    refused: the settings whose own text could not be had, for a reason that already stands in faults.
    """

    texts: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    def refuse(self, name: str, fault: str) -> None:
        """Note that a setting is there but cannot be had."""
        self.faults.append(fault)
        self.refused.add(name)


def gather(
    env: Mapping[str, str],
    env_file: Path | None,
    *,
    names: Collection[str],
    secret_names: Collection[str],
) -> Gathered:
    """Each setting's text: the environment's before the file's; an empty one counts as not set."""
    found = Gathered()
    known = {*names, *(f"{name}_FILE" for name in secret_names)}
    in_file = _read_env_file(env_file, found) if env_file else {}
    for name in in_file:
        if name not in known and not name.startswith(_OTHERS_PREFIXES) and name not in _OTHERS:
            found.faults.append(f"{name} in {env_file} is no setting{_meant(name, known, _NEAR_IN_ENV_FILE)}")
    found.warnings += _near_misses(env, known)
    for name in names:
        for layer in (env, in_file):
            text = _text_of(name, layer, found, may_be_file=name in secret_names)
            if text is not None:
                found.texts[name] = text
            if text is not None or name in found.refused:
                break
    return found


def _text_of(name: str, layer: Mapping[str, str], found: Gathered, *, may_be_file: bool) -> str | None:
    text, path = layer.get(name, "").strip(), layer.get(f"{name}_FILE", "").strip() if may_be_file else ""
    if not path:
        return text or None
    both = f"{name} and {name}_FILE are both set; set only one of them"
    # The path itself is not shown: somebody may have put the URL there.
    try:
        in_file = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        found.refuse(name, both if text else f"{name}_FILE names a file that cannot be read: {_reason(error)}")
        return None
    if in_file == NOT_SET:
        return text or None
    if text:
        found.refuse(name, both)
        return None
    if not in_file:
        found.refuse(name, f"{name}_FILE names a file that is empty")
    return in_file or None


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or "it is not UTF-8 text"


def _read_env_file(path: Path, found: Gathered) -> dict[str, str]:
    texts: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        found.faults.append(f"{path} cannot be read: {_reason(error)}")
        return texts
    for binding in bindings:
        if binding.error or (binding.key and binding.value is None):
            found.faults.append(f"{path}, line {binding.original.line}, is not NAME=value")
        elif binding.key and binding.value is not None:
            if binding.key in texts:
                found.faults.append(f"{binding.key} stands twice in {path}")
            texts[binding.key] = binding.value
    return texts


def _near_misses(env: Mapping[str, str], known: Collection[str]) -> Iterable[str]:
    for name in sorted(set(env) - set(known)):
        if meant := _meant(name, known, _NEAR_IN_ENVIRONMENT):
            yield f"{name} in the environment is no setting{meant}"


def _meant(name: str, known: Collection[str], cutoff: float) -> str:
    near = difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=cutoff)
    return f": did you mean {near[0]}?" if near else ""
